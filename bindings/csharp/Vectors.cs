using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using Libotp;

/// <summary>Answers the calls of test vectors that come line by line, through the public interface alone.</summary>
static class Vectors
{
    static readonly Encoding Utf8 = new UTF8Encoding(false, true);
    static readonly Queue<int> answers = new Queue<int>();
    static readonly List<string> messages = new List<string>();
    static Service service;
    static long now;

    static int Main()
    {
        try
        {
            Run();
            return 0;
        }
        catch (Exception unforeseen)
        {
            Console.Error.WriteLine(unforeseen);
            return 1;
        }
    }

    static void Run()
    {
        using (var input = new StreamReader(Console.OpenStandardInput(), Utf8))
        using (var output = new StreamWriter(Console.OpenStandardOutput(), Utf8) { NewLine = "\n" })
        {
            for (string line; (line = input.ReadLine()) != null;)
            {
                var parts = Array.ConvertAll(line.Split('\t'), Unescape);
                now = long.Parse(parts[0], CultureInfo.InvariantCulture);
                answers.Clear();
                messages.Clear();
                foreach (var answer in parts[1].Split(new[] { ' ' }, StringSplitOptions.RemoveEmptyEntries))
                    answers.Enqueue(int.Parse(answer, CultureInfo.InvariantCulture));
                Reply reply;
                try { reply = Call(parts); }
                catch (OtpException failure) { reply = failure.Reply; }
                var result = reply == null ? 0 : (int)reply.Result;
                var told = new List<string> { result.ToString(CultureInfo.InvariantCulture) };
                told.Add(reply == null ? "" : Escape(reply.Json));
                told.AddRange(messages.ConvertAll(Escape));
                output.WriteLine(string.Join("\t", told));
                output.Flush();
            }
        }
        Close();
    }

    static Reply Call(string[] parts)
    {
        string first = parts.Length > 3 ? parts[3] : null, second = parts.Length > 4 ? parts[4] : null;
        if (parts[2] == "open")
        {
            Close();
            service = new Service(first, second == "host" ? Send : (Sender)null, () => now);
            return service.Opening;
        }
        if (parts[2] == "close")
        {
            Close();
            return null;
        }
        if (service == null) throw new InvalidOperationException("no service is open");
        switch (parts[2])
        {
            case "create": return service.Create(first, second);
            case "resend": return service.Resend(first);
            case "verify": return service.Verify(first, second, parts[5]);
            case "cancel": return service.Cancel(first);
            case "status": return service.Status(first);
            case "webhook": return service.Webhook(first, second == null ? null : Utf8.GetBytes(second));
            case "report": return service.Report(first);
            case "metrics": return service.Metrics();
            case "run_due": return service.RunDue();
            case "unlock": return service.Unlock(first);
            case "erase": return service.Erase(first);
            default: throw new ArgumentException("no such call: " + parts[2]);
        }
    }

    static Delivery Send(Fields message)
    {
        messages.Add(message.Json);
        return answers.Count == 0 ? Delivery.Sent : (Delivery)answers.Dequeue();
    }

    static void Close()
    {
        service?.Close();
        service = null;
    }

    static string Escape(string part) =>
        part.Replace("\\", "\\\\").Replace("\t", "\\t").Replace("\n", "\\n").Replace("\r", "\\r");

    static string Unescape(string part)
    {
        if (part == "\\0") return null;
        var text = new StringBuilder();
        for (var i = 0; i < part.Length; i++)
        {
            var c = part[i];
            if (c == '\\')
            {
                c = part[++i];
                c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
            }
            text.Append(c);
        }
        return text.ToString();
    }
}
