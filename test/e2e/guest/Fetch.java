// Both of Java's clients, as a program of the guest: java Fetch.java URL-FOR-HTTP1 URL-FOR-HTTP2
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;

class Fetch {
    public static void main(String[] args) throws Exception {
        try (var body = new URL(args[0]).openStream()) {
            System.out.print(new String(body.readAllBytes(), StandardCharsets.UTF_8));
        }
        var request = HttpRequest.newBuilder(URI.create(args[1])).build();
        System.out.print(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
    }
}
