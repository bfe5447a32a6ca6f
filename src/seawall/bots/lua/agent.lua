-- What a user agent claims. A claim only: nothing here is believed, it is compared.
--
-- M.new(table_text) -> object         the text of seawall.bots.ja4.lua_table(); lines `g` (majors
--                                     of a generation) and `a` (handshakes that go with a claim)
--                                     are read here. A malformed line is an error at load.
-- object:read(user_agent) -> facts    nil is allowed; never raises; cached for each text.
-- object:agreement(ja4, agent)        1 handshake and claim contradict, 2 unknown, 3 they agree.
-- object:gap(ja4, agent)              45 + claimed - seen generation, 0 when not comparable; 45 where
--                                     no claim goes with what is seen, but for the family.
--
-- facts, all codes 0..90 with 0 absent unless said otherwise: family and engine (ClientFamily;
-- engine only for a browser's), name (text), version (the claimed major, a number), major (its
-- code, see major_code), os (1 windows 2 macos 3 linux 4 android 5 ios 6 chromeos 7 other), length
-- (1 + floor(4 log2 characters)), mozilla (1 no 2 yes), headless (1 2), mobile (1 2), bot (1 2:
-- names a robot, or a place to write to), generation (what a browser of this major shakes hands
-- with; comparable with ja4's).
--
-- A text is read as words, each with the number after its slash, and a word is looked up: a search
-- for "bot" inside the text would call the telephones of a maker named Cubot robots.

local M = {}

local CACHE_MAX = 2048
local TEXT_LENGTH_MAX = 512
local WORDS_MAX = 64
local GAP_ZERO = 45
local CODE_MAX = 90

local CHROMIUM, FIREFOX, SAFARI = 1, 2, 3
local CRAWLER, HEADLESS, LIBRARY, OTHER, EMPTY, OTHER_BROWSER = 16, 17, 19, 20, 21, 22

-- Words that decide, by family. A robot's word stands above a tool's, a tool's above a browser's.
-- One with `=` counts only at the beginning: elsewhere it is a common word.
local ROBOTS = {
  [16] = [[
    googlebot-image googlebot-news googlebot-video adsbot-google adsbot-google-mobile
    mediapartners-google storebot-google google-inspectiontool googleother googleother-image
    googleother-video google-safety feedfetcher-google google-read-aloud apis-google bingpreview
    yandeximages duckduckbot-https =sogou qwantify =yeti coccocbot-web barkrowler seokicks
    screaming ia_archiver heritrix nutch =wayback netcraftsurveyagent teoma =daum scrapy httrack
    webcopier =teleport sitesucker =jigsaw ezooms riddler sitecheck turnitin wotbox contentking
    bubing netestate panscient ltx71 heartrails_capture grapeshot omgili admantx =proximic
    =comscore brandwatch trendiction =ahc simplepie =infoseek =scooter gigablast findlinks
    webcollage yacy mixnodecache zgrab agent inspector hardenize silktide datanyze daumoa
    transcoder manus-user cloudflareobservatory cloudflarediagnostics spinn3r ips-agent =nuzzel
    =collection pandalytics
  ]],
  [25] = [[
    gptbot chatgpt-user oai-searchbot claudebot claude-web claude-user claude-searchbot
    anthropic-ai perplexitybot perplexity-user ccbot bytespider amazonbot meta-externalagent
    meta-externalfetcher facebookbot google-extended cohere-ai cohere-training-data-crawler diffbot
    youbot mistralai-user ai2bot timpibot imagesiftbot img2dataset omgilibot applebot-extended
    duckassistbot firecrawlagent =kangaroo pangubot velenpublicwebcrawler webzio-extended
    iaskspider =novaact =operator =devin google-cloudvertexbot
  ]],
  [23] = [[
    facebookexternalhit facebookcatalog twitterbot slackbot slackbot-linkexpanding slack-imgproxy
    discordbot telegrambot linkedinbot =whatsapp skypeuripreview redditbot pinterestbot embedly
    iframely vkshare =viber =line-poker snapchat-preview flipboardproxy bitlybot =tumblr =quora
    =mastodon =pleroma =misskey =lemmy akkoma =http.rb =synapse google-pagerenderer
    mattermost-bot googleimageproxy yahoomailproxy outlook-link-preview =bluesky =cardyb
  ]],
  [18] = [[
    pingdom pingdompagespeed uptimerobot statuscake site24x7 newrelicpinger datadogsynthetics
    catchpoint gtmetrix ptst chrome-lighthouse checkly =better hetrixtools nodeping updown.io =gatus balancer =alwayson cloudflare-traffic-manager
    freshping monitis alertsite uptime-kuma =blackbox =prometheus =telegraf =zabbix check_http
    =nagios kube-probe googlehc elb-healthchecker amazon-route53-health-check-service
    googlestackdrivermonitoring cloudflare-healthchecks =haproxy =jetmon dareboost yottaamonitor
    synthetics apachebench =ab =wrk =hey =siege =vegeta =k6 jmeter =gatling =locust =bombardier
  ]],
  [24] = [[
    nikto sqlmap nmap masscan wpscan nessus openvas acunetix zaproxy nuclei gobuster dirbuster
    =dirb feroxbuster ffuf wfuzz arachni w3af whatweb censysinspect =expanse =shodan
    internetmeasurement zmeu morfeus jorgee paros netsparker qualys detectify =burp httpx-toolkit
    l9explore l9tcpid leakix cert-bund onyphe binaryedge projectdiscovery =katana
  ]],
  [14] = [[
    feedly feedbin feedburner feedvalidator newsblur inoreader theoldreader netnewswire newsboat
    newsbeuter liferea akregator rssowl =tiny freshrss miniflux feedparser =reeder feeddemon bazqux
    commafeed rssbot tt-rss quiterss gpodder antennapod =overcast =podcasts =itunes blogtrottr
    superfeedr feedspot universalfeedparser applenews =fever windows-rss-platform selfoss rss2email
    feed2imap sfeedly =rome netvibes rssguard =vienna nextcloud-news newsflash =yarr =castro =itms
    flipboardrss =castget castbox =pocket =pocketcasts =spotify =deezer =playerfm
  ]],
}
local TOOLS = {
  [4] = " =curl libcurl pycurl ",
  [5] = " =wget wget2 ",
  [6] = [[
    =python python-requests python-urllib python-httpx aiohttp httpx httpie urllib3 urllib3.future
    niquests =requests =treq grequests mechanize robobrowser httplib2 tornado pyhttp curl_cffi
    python-opengraph-jaywink
  ]],
  [7] = " go-http-client =go go-resty fasthttp =resty =colly =fiber ",
  [8] = [[
    =java java-http-client apache-httpclient =jakarta =http-client apache-httpasyncclient =jersey
    reactornetty =jetty unirest-java okhttp-java =feign =spring async-http-client vert.x
    asynchttpclient ktor-client =netty htmlunit jsoup
  ]],
  [9] = " =node node-fetch axios undici =got superagent node.js nodejs jsdom =deno =bun =needle ",
  [12] = " =git jgit go-git libgit2 git-lfs =mercurial =svn ",
  [13] = [[
    =pip =uv =poetry =pdm =twine =npm =yarn =pnpm =debian =apt apt-http =libdnf =dnf =yum zypp
    pacman homebrew =cargo =composer bundler rubygems =gradle =maven apache-maven =artifact nuget
    =conda =mamba =docker containerd =podman buildah skopeo =helm terraform cpan go-mod cocoapods
    winget =snapd =flatpak =steam microsoft-delivery-optimization =buildkit =cri-o =kaniko libfetch
    =containers nerdctl go-containerregistry =crane =cosign =oras =regclient yum libdnf5 rpm-ostree
    apk-tools =apk =xbps =opkg =pkg =uclient-fetch libostree rustup =conan =coursier =sbt =hex nix
    opentofu swiftpackagemanager =chocolatey =luarocks =r =julia =opam cabal-install cpanminus =bazel
    ansible-galaxy =artifactory =nexus =renovate =gomodulemirror winget-cli windowspackagemanager
    =scoop =vcpkg =fwupd micromamba =guix =spack =packagekit
  ]],
  [26] = " =php guzzlehttp =symfony =wordpress =drupal =joomla zend_http_client php-curl-class ",
  [27] = " =ruby faraday rest-client typhoeus httparty =httpclient mechanize-ruby excon ",
  [28] = " =.net =dotnet restsharp powershell windowspowershell csharp =winhttp winhttprequest ",
  [29] = " libwww-perl =lwp =perl www-mechanize mojolicious lwp-trivial lwp-request ",
  [30] = " reqwest =hyper ureq =surf isahc =awc ",
  [31] = [[
    cfnetwork =dalvik okhttp alamofire =volley =ktor =retrofit =dart afnetworking =exoplayer
    unityplayer dataaccessd mirall nextcloud-android nextcloud-ios microsoft-webdav-miniredir webdavfs =gvfs
    =cyberduck davfs2 cadaver calendaragent
  ]],
  [32] = [[
    vlc libvlc lavf =kodi =xbmc =mpv mplayer =winamp foobar2000 =applecoremedia =nsplayer exoplayerlib
    androidxmedia3 =roku =sonos =gstreamer
  ]],
  [19] = [[
    libwww-fm postmanruntime insomnia =paw aria2 axel lftp httrack-tool libsoup lua-resty-http
    luasocket =erlang hackney =elixir =tesla =mint cohttp =haskell =wininet nsurlsession =qt
    rest-assured =thunder soapui =xmlrpc =microsoft webdav rclone restic aws-cli
    aws-sdk-java boto3 botocore s3cmd gcloud azure-cli ansible-httpget saltstack =chef =openai
    =ollama =winsock =emacs =guile =clojure clj-http sttp akka-http http4s scalaj-http
  ]],
  [15] = " lynx w3m =links elinks elinks-lite browsh edbrowse retawq ",
}
-- Engines of their own, and names of browsers that have the engine and the handshake of another.
local OWN_ENGINES = [[
  msie trident opera presto konqueror netsurf dillo ladybird servo palemoon goanna basilisk
  k-meleon epiphany midori falkon qupzilla ucweb netfront icab omniweb camino
]]
local IOS_SHELLS = " crios fxios edgios opios opt gsa duckduckgo ddg brave ecosia "
local CHROMIUM_SHELLS = [[
  edg edga edgw opr opx vivaldi yabrowser samsungbrowser brave huaweibrowser miuibrowser
  ucbrowser whale coc_coc_browser electron mqqbrowser qqbrowser oculusbrowser silk duckduckgo
  heytapbrowser vivobrowser ecosia maxthon puffin
]]
local HEADLESS_WORDS = [[
  headlesschrome phantomjs slimerjs puppeteer playwright selenium headless_shell zombie.js
  casperjs cypress
]]

-- Parts of words that no list has: first match wins. Weak ones name what a thing does.
local PARTS = {
  { "crawl", 16 }, { "google-", 16 }, { "-google", 16 }, { "spider", 16 }, { "scrap", 16 },
  { "slurp", 16 }, { "archiv", 16 }, { "indexer", 16 }, { "harvest", 16 }, { "headless", 17 },
  { "uptime", 18 }, { "monitor", 18 }, { "healthcheck", 18 }, { "synthetic", 18 },
  { "probe", 18 }, { "pingdom", 18 }, { "scanner", 24 }, { "acunetix", 24 }, { "preview", 23 },
  { "unfurl", 23 }, { "feed", 14 }, { "podcast", 14 }, { "validat", 16 }, { "verif", 16 }, { "checker", 16 },
  { "linkcheck", 16 }, { "audit", 16 }, { "scan", 16 }, { "survey", 16 }, { "resolver", 16 },
  { "collector", 16 }, { "extractor", 16 }, { "parser", 16 }, { "screenshot", 16 },
  { "optimizer", 16 }, { "watcher", 16 }, { "favicon", 16 }, { "fetch", 19 }, { "http", 19 },
  { "client", 19 },
}
local PART_LENGTH_MIN = 4
local COMMON = [[
  mozilla windows nt win64 wow64 x64 x86_64 applewebkit khtml like gecko chrome safari version
  mobile linux x11 android macintosh intel mac os x iphone ipad cpu compatible rv firefox http
  https www build wv u en-us en k
]]

local function words(text, into, value)
  for word in text:gmatch("%S+") do into[word] = value end
  return into
end

-- Families of words by word, and how much a word of a family weighs: numbers, since Lua's collector goes
-- through every table again and again.
local FIRST, ANYWHERE, STRENGTH = {}, {}, {}
local function learn(lists, strength)
  for family, text in pairs(lists) do
    STRENGTH[family] = strength
    for word in text:gmatch("%S+") do
      local only_first = word:sub(1, 1) == "="
      local into = only_first and FIRST or ANYWHERE
      word = only_first and word:sub(2) or word
      if into[word] then error("agent: a word is in two families: " .. word) end
      into[word] = family
    end
  end
end
learn(TOOLS, 1)
learn(ROBOTS, 4)
STRENGTH[13] = 1.5 -- a package manager also names what it fetches with: `curl/8.4.0 Nix/2.18.1`
local IS_HEADLESS = words(HEADLESS_WORDS, {}, true)
local IS_IOS_SHELL = words(IOS_SHELLS, {}, true)
local IS_SHELL = words(CHROMIUM_SHELLS, {}, true)
local IS_OWN_ENGINE = words(OWN_ENGINES, {}, true)
local IS_COMMON = words(COMMON, {}, true)

local function floor_of(number) return number - number % 1 end

-- Chrome and Firefox count alike. 100 to 184 are told apart (5 to 89): the newest 40 stay distinct
-- for years. Older ones have four codes.
local function major_code(version, family)
  if version <= 0 then return 0 end
  if family ~= CHROMIUM and family ~= FIREFOX then
    return version < CODE_MAX and version + 1 or CODE_MAX
  end
  if version < 41 then return 1 end
  if version < 61 then return 2 end
  if version < 81 then return 3 end
  if version < 100 then return 4 end
  return version < 185 and version - 95 or CODE_MAX
end

local function system_of(seen)
  if seen.windows then return seen.phone and 7 or 1 end
  if seen.iphone or seen.ipad or seen.ipod then return 5 end
  if seen.android then return 4 end
  if seen.cros then return 6 end
  if seen.macintosh or seen.macos then return 2 end
  if seen.tizen or seen.webos or seen.kaios or seen.playstation or seen.nintendo or seen.freebsd
    or seen.openbsd or seen.netbsd or seen.sunos or seen.darwin or seen.symbianos
    or seen.blackberry or seen.bb10 then
    return 7
  end
  if seen.linux or seen.x11 then return 3 end
  return 0
end

-- The word's family and how much it weighs; nil for a word that says nothing.
local function word_of(word, first)
  local known = ANYWHERE[word] or (first and FIRST[word])
  if known then return known, STRENGTH[known] end
  if IS_HEADLESS[word] then return HEADLESS, 2 end
  local from = word:find("bot", 1, true)
  if from and word:sub(1, 5) ~= "cubot" then
    local after = word:byte(from + 3)
    if not after or after < 97 or after == 115 then return CRAWLER, 3 end
  end
  if #word < PART_LENGTH_MIN then return nil end
  for index = 1, #PARTS do
    local part = PARTS[index]
    if word:find(part[1], 1, true) then
      if part[2] == LIBRARY then return LIBRARY, 0.5 end
      return part[2], part[2] == HEADLESS and 2 or 3
    end
  end
  return nil
end

-- Engine, name and version of the browser that these words belong to; nil for none.
local function browser_of(seen, shell, own)
  local version = seen.version or 0
  if own or seen.edge then
    local name = own or "edge-legacy"
    return OTHER_BROWSER, name, seen[own or "edge"] or 0
  end
  if seen.iphone or seen.ipad or seen.ipod then
    if not seen.applewebkit then return nil end
    return SAFARI, "safari", version
  end
  local chrome = seen.chrome or seen.chromium or seen.headlesschrome
  if chrome then return CHROMIUM, shell or "chrome", chrome end
  if seen.firefox then return FIREFOX, "firefox", seen.firefox end
  if seen.thunderbird then return FIREFOX, "thunderbird", seen.thunderbird end
  if seen.applewebkit and seen.macintosh then return SAFARI, "safari", version end
  if seen.applewebkit then return OTHER_BROWSER, "webkit", version end
  return nil
end

local function blank()
  return {
    family = EMPTY, engine = 0, name = "", version = 0, major = 0, os = 0, length = 0, mozilla = 0,
    headless = 0, mobile = 0, bot = 0, generation = 0,
  }
end

-- Everything that the words say, before it is made into codes.
local function scan(text)
  local seen, first, count = {}, true, 0
  local family, strength, name, number = nil, 0, nil, 0
  local shell, ios_shell, own
  for word, digits in text:gmatch("(%a[%w_%-%.]*)/?(%d*)") do
    if not seen[word] then seen[word] = tonumber(digits) or 0 end
    if not IS_COMMON[word] then
      local found, weight = word_of(word, first)
      -- Telephones are named "XBot" and "Spider 8"; a robot in their place has a version.
      if weight == 3 and digits == "" and seen.android then found = nil end
      if found and weight > strength then
        family, strength, name, number = found, weight, word, tonumber(digits) or 0
      end
      if IS_SHELL[word] then shell = word end
      if IS_IOS_SHELL[word] then ios_shell = word end
      if IS_OWN_ENGINE[word] and not own then own = word end
    end
    first, count = false, count + 1
    if count >= WORDS_MAX then break end
  end
  return seen, family, strength, name, number, shell, ios_shell, own
end

local function generation_of(generations, engine, version)
  local ranges = generations[engine]
  if not ranges then return 0 end
  for index = 1, #ranges do
    local range = ranges[index]
    if version > 0 and version >= range.first and version <= range.last then return range.code end
  end
  return 0
end

-- What Safari's major would be where another browser of iOS, or an app that shows pages, does not say it:
-- all of them shake hands as their system does, whose major Safari's is.
local function ios_major(seen, text, ios_shell)
  if not (seen.iphone or seen.ipad or seen.ipod) or (seen.version and not ios_shell) then return nil end
  return tonumber(text:match(" os (%d%d?)_")) or 0
end

local function facts_of(generations, original)
  local facts = blank()
  if type(original) ~= "string" or not original:find("%S") then return facts end
  local text = original:sub(1, TEXT_LENGTH_MAX):lower()
  local seen, family, strength, name, number, shell, ios_shell, own = scan(text)
  local contact = text:find("://", 1, true) or text:find("www.", 1, true)
    or text:find("@%a[%w%-]*%.%a") or text:find("%.com%f[^%w%._]")
    or text:find("%.org%f[^%w%._]")
  local mozilla = text:sub(1, 8) == "mozilla/"
  local engine, engine_name, version
  if seen.mozilla or own then engine, engine_name, version = browser_of(seen, shell, own) end
  if own == "msie" then version = tonumber(text:match("msie (%d+)")) or 0 end
  facts.engine = engine or 0
  -- A part of a word, such as "client", names a tool only where no browser is named.
  if strength >= 1 or (family and not engine) then
    facts.family, facts.name, facts.version = family, name, number
  elseif engine then
    facts.family, facts.version = engine, version
    facts.name = ios_shell and engine == SAFARI and ios_shell or engine_name
  else
    facts.family = OTHER
    facts.name, facts.version = text:match("^(%a[%w_%-%.]*)") or "", 0
  end
  -- Only robots, and browsers older than any in use, call themselves compatible.
  local robot = contact or (text:find("compatible;", 1, true) and not own)
  if robot and (facts.family == OTHER or (engine and facts.family == engine)) then
    facts.family = CRAWLER
  end
  if engine and facts.family ~= engine then facts.version = version end
  facts.major = major_code(facts.version, facts.engine)
  facts.os = system_of(seen)
  local length = 1 + floor_of(4 * math.log(#original) / math.log(2) + 1e-9)
  facts.length = length < CODE_MAX and length or CODE_MAX
  facts.mozilla = mozilla and 2 or 1
  facts.headless = (facts.family == HEADLESS or text:find("headless", 1, true)) and 2 or 1
  facts.mobile = (seen.mobile or seen.iphone) and 2 or 1
  facts.bot = (robot or strength >= 3) and 2 or 1
  if engine then
    facts.generation = generation_of(generations, engine, ios_major(seen, text, ios_shell) or version)
  end
  return facts
end

local Reader = {}
Reader.__index = Reader

function Reader:read(text)
  if text == nil then return self.empty end
  local facts = self.cache[text]
  if facts then return facts end
  facts = facts_of(self.generations, text)
  if #text > TEXT_LENGTH_MAX then return facts end
  if self.cached >= CACHE_MAX then self.cache, self.cached = {}, 0 end
  self.cache[text] = facts
  self.cached = self.cached + 1
  return facts
end

function Reader:agreement(ja4, agent)
  local usual = self.usual[agent.family]
  if not usual then return 2 end
  if ja4.family ~= 0 then return usual[ja4.family] and 3 or 1 end
  if not ja4.families then return 2 end
  for family in pairs(ja4.families) do
    if usual[family] then return 2 end
  end
  return 1
end

function Reader:gap(ja4, agent)
  local seen, claimed = ja4.generation, agent.generation
  -- No major goes with it, so none contradicts it: Tor Browser claims that of its base.
  if self.loose[seen] then return self.loose[seen] == agent.engine and GAP_ZERO or 0 end
  if seen == 0 or claimed == 0 then return 0 end
  if self.owner[seen] ~= self.owner[claimed] then return 0 end
  return GAP_ZERO + claimed - seen
end

function M.new(table_text)
  local generations, owner, loose, usual = {}, {}, {}, {}
  for line in table_text:gmatch("([^\n]*)\n") do
    local kind = line:sub(1, 2)
    if kind == "g " then
      local code, family, first, last = line:match("^g (%d+) (%d+) (%d+) (%d+)$")
      if not code then error("agent table: a row of no form: " .. line:sub(1, 80)) end
      code, family = tonumber(code), tonumber(family)
      generations[family] = generations[family] or {}
      table.insert(generations[family],
        { code = code, first = tonumber(first), last = tonumber(last) })
      owner[code] = family
      if tonumber(last) == 0 then loose[code] = family end
    elseif kind == "a " then
      local family, handshakes = line:match("^a (%d+) ([%d ]+)$")
      if not family then error("agent table: a row of no form: " .. line:sub(1, 80)) end
      local set = {}
      for handshake in handshakes:gmatch("%d+") do set[tonumber(handshake)] = true end
      usual[tonumber(family)] = set
    end
  end
  return setmetatable({
    generations = generations, owner = owner, loose = loose, usual = usual, cache = {}, cached = 0,
    empty = blank(),
  }, Reader)
end

return M
