// Answers what the tests ask, a line for a line: see tests/vectors/README.md.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	otp "libotp"
)

var (
	service  *otp.Service
	now      int64
	answers  []string
	messages []string
)

func send(message json.RawMessage) error {
	messages = append(messages, string(message))
	answer := "1"
	if len(answers) > 0 {
		answer, answers = answers[0], answers[1:]
	}
	switch answer {
	case "1":
		return nil
	case "2":
		return fmt.Errorf("refused: %w", otp.ErrNotSent)
	}
	return errors.New("no answer")
}

// A part that is NULL has no text.
func optional(part string) any {
	if part == `\0` {
		return nil
	}
	return text(part)
}

func text(part string) string {
	if part == `\0` {
		return ""
	}
	return strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r").Replace(part)
}

func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`).Replace(text)
}

func open(config, sender string) (otp.Reply, error) {
	closeIt()
	to := otp.Callbacks{Clock: func() time.Time { return time.UnixMilli(now) }}
	if sender == "host" {
		to.Send = send
	}
	opened, err := otp.Open(optional(config), to)
	if err != nil {
		return otp.Reply{}, err
	}
	service = opened
	return service.Opened(), nil
}

func closeIt() {
	if service != nil {
		service.Close()
	}
}

func call(name string, given []string) (otp.Reply, error) {
	parts := make([]string, len(given))
	for place, part := range given {
		parts[place] = text(part)
	}
	switch name {
	case "open":
		return open(given[0], given[1])
	case "create":
		return service.Create(parts[0], optional(given[1]))
	case "resend":
		return service.Resend(parts[0])
	case "verify":
		if given[2] == `\0` {
			return service.Verify(parts[0], parts[1])
		}
		return service.VerifyContext(parts[0], parts[1], parts[2])
	case "cancel":
		return service.Cancel(parts[0])
	case "status":
		return service.Status(parts[0])
	case "webhook":
		return service.Webhook(parts[0], []byte(parts[1]))
	case "report":
		return service.Report(optional(given[0]))
	case "metrics":
		return service.Metrics()
	case "run_due":
		return service.RunDue()
	case "unlock":
		return service.Unlock(parts[0])
	case "erase":
		return service.Erase(parts[0])
	case "close":
		closeIt()
		return otp.Reply{}, nil
	}
	panic("there is no call " + name)
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		now, _ = strconv.ParseInt(parts[0], 10, 64)
		answers, messages = strings.Fields(parts[1]), nil
		reply, err := call(parts[2], parts[3:])
		var failure *otp.Error
		if errors.As(err, &failure) {
			reply = failure.Reply
		} else if err != nil {
			panic(err)
		}
		answer := []string{strconv.Itoa(int(reply.Result)), escaped(string(reply.JSON))}
		for _, message := range messages {
			answer = append(answer, escaped(message))
		}
		fmt.Println(strings.Join(answer, "\t"))
	}
	closeIt()
}
