-- What the target of a request asks for. Nothing here may raise, whatever a client sends.
local M = {}

local CODE_MAX = 90
local KIND = {
  js = 2, mjs = 2, css = 2, map = 2,
  png = 3, jpg = 3, jpeg = 3, gif = 3, svg = 3, webp = 3, avif = 3, bmp = 3, woff = 3, woff2 = 3,
  ttf = 3, otf = 3, mp4 = 3, webm = 3, mp3 = 3, ogg = 3, ico = 3,
  rss = 4, atom = 4, rdf = 4, json = 5, xml = 5, txt = 1,
  env = 10, git = 10, sql = 10, bak = 10, ini = 10, log = 10,
}
-- No site has pages there, but for its own people. Whole sites are written in .aspx or .cgi.
local PROBES = { "/.git/", "/.env", "/.aws/", "/.ssh/", "/wp-login", "/wp-admin", "/xmlrpc.php",
  "/phpmyadmin", "/etc/passwd", "/vendor/phpunit", "/.ds_store", "/.svn/", "/server-status" }
local REPORT = "/.well-known/seawall/probe?v=" -- of the page probe

local min = math.min

local function contains(text, piece)
  return text:find(piece, 1, true) ~= nil
end

-- kind, depth, bucket of the query's length, hash of the path, path without query; `report`: the bits
-- that the page probe reports, as digits, "" where it reports something else, nil elsewhere.
-- windows: a module; bucket(n): the code of a length.
function M.reader(windows, bucket)
  return function(target)
    local query = target:find("?", 1, true)
    local path = query and target:sub(1, query - 1) or target
    local lower = path:lower()
    local _, slashes = path:gsub("/", "")
    local kind = KIND[lower:match("%.([a-z0-9]+)$") or ""] or 1
    if lower == "/robots.txt" then
      kind = 6
    elseif lower == "/favicon.ico" then
      kind = 7
    elseif lower:sub(1, 13) == "/.well-known/" then
      kind = 8
    elseif lower:sub(1, 8) == "/sitemap" and (contains(lower, ".xml") or contains(lower, ".txt")) then
      kind = 9
    elseif kind == 1 and (lower:find("^/api/") or lower:find("^/graphql")) then
      kind = 5
    elseif kind == 1 and (lower:find("/feed/?$") or lower:find("/rss/?$") or lower:find("/atom/?$")) then
      kind = 4
    end
    -- What a page loads is none: those who write a site have the parts of /wp-admin loaded.
    for i = 1, (kind == 2 or kind == 3) and 0 or #PROBES do
      if contains(lower, PROBES[i]) then
        kind = 10
      end
    end
    return {
      path = path,
      kind = kind,
      depth = min(slashes, CODE_MAX),
      query = query and bucket(#target - query) or 0,
      hash = windows.hash(path, 0),
      asset = kind == 2 or kind == 3 or kind == 7,
      report = target:sub(1, #REPORT) == REPORT and (target:match("^%d+$", #REPORT + 1) or "") or nil,
    }
  end
end

return M
