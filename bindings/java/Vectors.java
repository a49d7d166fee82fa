import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import libotp.Otp;

/** Answers the calls of test vectors that come line by line, through the public interface alone. */
final class Vectors {
  private Otp.Service service;
  private long clock;
  private final ArrayDeque<Integer> answers = new ArrayDeque<>();
  private final List<String> messages = new ArrayList<>();

  public static void main(String[] arguments) {
    try {
      new Vectors().run();
    } catch (Exception unforeseen) {
      unforeseen.printStackTrace();
      System.exit(1);
    }
  }

  private void run() throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, false, "UTF-8");
    for (String line; (line = in.readLine()) != null; ) {
      String[] parts = line.split("\t", -1);
      for (int i = 0; i < parts.length; i++) parts[i] = unescape(parts[i]);
      clock = Long.parseLong(parts[0]);
      answers.clear();
      messages.clear();
      for (String answer : parts[1].split(" ")) if (!answer.isEmpty()) answers.add(Integer.valueOf(answer));
      int result;
      String reply;
      try {
        Otp.Reply told = call(parts);
        result = told == null ? Otp.OK : told.result();
        reply = told == null ? "" : told.json();
      } catch (Otp.Failure failure) {
        result = failure.result();
        reply = failure.reply().json();
      }
      StringBuilder answer = new StringBuilder().append(result).append('\t').append(escape(reply));
      for (String message : messages) answer.append('\t').append(escape(message));
      out.print(answer.append('\n'));
      out.flush();
    }
    close();
  }

  private Otp.Reply call(String[] parts) {
    String first = parts.length > 3 ? parts[3] : null, second = parts.length > 4 ? parts[4] : null;
    if (parts[2].equals("open")) {
      close();
      service = new Otp.Service(first, "host".equals(second) ? this::send : null, () -> clock, null);
      return service.opening();
    }
    if (parts[2].equals("close")) {
      close();
      return null;
    }
    if (service == null) throw new IllegalStateException("no service is open");
    switch (parts[2]) {
      case "create": return service.create(first, second);
      case "resend": return service.resend(first);
      case "verify": return service.verify(first, second, parts[5]);
      case "cancel": return service.cancel(first);
      case "status": return service.status(first);
      case "webhook":
        return service.webhook(first, second == null ? null : second.getBytes(StandardCharsets.UTF_8));
      case "report": return service.report(first);
      case "metrics": return service.metrics();
      case "run_due": return service.runDue();
      case "unlock": return service.unlock(first);
      case "erase": return service.erase(first);
      default: throw new IllegalArgumentException("no such call: " + parts[2]);
    }
  }

  private int send(Otp.Fields message) {
    messages.add(message.json());
    return answers.isEmpty() ? Otp.SENT : answers.remove();
  }

  private void close() {
    if (service != null) service.close();
    service = null;
  }

  private static String escape(String part) {
    return part.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
  }

  private static String unescape(String part) {
    if (part.equals("\\0")) return null;
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < part.length(); i++) {
      char c = part.charAt(i);
      if (c == '\\') {
        c = part.charAt(++i);
        c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
      }
      text.append(c);
    }
    return text.toString();
  }
}
