/* Java's HttpClient, driven by lines: method, URL, pause in ms, headers; see commands.py. */

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public final class Client {
  public static void main(String[] args) throws Exception {
    HttpClient.Version version =
        args.length > 0 && args[0].equals("1.1") ? HttpClient.Version.HTTP_1_1 : HttpClient.Version.HTTP_2;
    HttpClient client =
        HttpClient.newBuilder().version(version).followRedirects(HttpClient.Redirect.NORMAL).build();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] parts = line.split("\t", -1);
      Thread.sleep(Long.parseLong(parts[2]));
      HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(parts[1]));
      for (String header : parts[3].split("\u001f")) {
        String[] pair = header.split("\u001e", 2);
        if (pair.length == 2 && !pair[0].equalsIgnoreCase("connection")) {
          request.header(pair[0], pair[1]);
        }
      }
      if (parts[0].equals("POST")) {
        request.POST(HttpRequest.BodyPublishers.ofString("text=hello"));
      }
      client.send(request.build(), HttpResponse.BodyHandlers.discarding());
    }
  }
}
