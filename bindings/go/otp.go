// Package otp creates one-time passwords, has them delivered, and verifies each exactly once, inside your own process,
// by the C library libotp.
//
// Results. A Reply with Result OK is the only yes. A Reply with another result is a refusal, to show the user: a wrong
// code, for example. An error says that the library could not answer: it is an *Error, to log.
//
// Any number of goroutines may use a Service at once. A call blocks its thread: for the disk, and for the carrier.
package otp

/*
#cgo pkg-config: libotp
#include <otp.h>
#include <stdlib.h>

typedef const char otp_go_text;
extern int32_t otpGoSend(void *, otp_go_text *);
extern void otpGoLog(void *, int32_t, otp_go_text *);
extern int64_t otpGoClock(void *);
extern void otpGoDrop(void *);

typedef otp_result (*otp_go_function)(otp_service *, otp_go_text *, char *, size_t);
static inline otp_result otp_go_call(otp_go_function function, otp_service *service, otp_go_text *text, char *reply,
                                     size_t size) {
  return function(service, text, reply, size);
}
// Go must not have a number that is no address in a pointer.
static inline otp_result otp_go_on_send(otp_service *service, uintptr_t handle) {
  return otp_on_send(service, otpGoSend, (void *)handle, otpGoDrop);
}
static inline otp_result otp_go_on_log(otp_service *service, int32_t level, uintptr_t handle) {
  return otp_on_log(service, level, otpGoLog, (void *)handle, otpGoDrop);
}
static inline otp_result otp_go_on_clock(otp_service *service, uintptr_t handle) {
  return otp_on_clock(service, otpGoClock, (void *)handle, otpGoDrop);
}
*/
import "C"

import (
	"encoding/json"
	"errors"
	"runtime"
	"runtime/cgo"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// Result is what came of a call.
type Result int32

// OK is the only yes, the others that are not negative are refusals. Those below zero come in an *Error alone.
const (
	OK           = Result(C.OTP_OK)
	NotValid     = Result(C.OTP_NOT_VALID)
	Checked      = Result(C.OTP_CHECKED)
	Expired      = Result(C.OTP_EXPIRED)
	Locked       = Result(C.OTP_LOCKED)
	RateLimited  = Result(C.OTP_RATE_LIMITED)
	Cancelled    = Result(C.OTP_CANCELLED)
	Refused      = Result(C.OTP_REFUSED)
	Unknown      = Result(C.OTP_UNKNOWN)
	EArgument    = Result(C.OTP_E_ARGUMENT)
	EConfig      = Result(C.OTP_E_CONFIG)
	EStore       = Result(C.OTP_E_STORE)
	EBusy        = Result(C.OTP_E_BUSY)
	ESend        = Result(C.OTP_E_SEND)
	EInDoubt     = Result(C.OTP_E_IN_DOUBT)
	ESignature   = Result(C.OTP_E_SIGNATURE)
	EUnsigned    = Result(C.OTP_E_UNSIGNED)
	ERandom      = Result(C.OTP_E_RANDOM)
	EUnsupported = Result(C.OTP_E_UNSUPPORTED)
	EInternal    = Result(C.OTP_E_INTERNAL)
)

// String is the name, such as "OTP_LOCKED".
func (result Result) String() string { return C.GoString(C.otp_result_name(C.otp_result(result))) }

// HTTPStatus is the status to answer a web request with.
func (result Result) HTTPStatus() int { return int(C.otp_result_http_status(C.otp_result(result))) }

// Reply is what the library answered.
type Reply struct {
	Result Result
	// JSON is one object; otp.h lists its members, function by function.
	JSON []byte
}

// OK is whether the result is OK: for Verify, whether to let somebody in.
func (reply Reply) OK() bool { return reply.Result == OK }

// Decode reads the members, as json.Unmarshal does.
func (reply Reply) Decode(into any) error { return json.Unmarshal(reply.JSON, into) }

// Text is a member, such as "code" or "delivery.state"; empty if it is absent.
func (reply Reply) Text(field string) string {
	text := make([]byte, len(reply.JSON)+1)
	length := reply.look(field, func(from, name *C.char) int64 {
		return int64(C.otp_reply_text(from, name, (*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text))))
	})
	return string(text[:length])
}

// Integer is a member, or what is given otherwise.
func (reply Reply) Integer(field string, otherwise int64) int64 {
	return reply.look(field, func(from, name *C.char) int64 {
		return int64(C.otp_reply_integer(from, name, C.int64_t(otherwise)))
	})
}

func (reply Reply) look(field string, find func(from, name *C.char) int64) int64 {
	from, name := C.CString(string(reply.JSON)), C.CString(field)
	defer C.free(unsafe.Pointer(from))
	defer C.free(unsafe.Pointer(name))
	return find(from, name)
}

// Error says why the library could not answer. Its text holds no code, token, number or key.
type Error struct{ Reply Reply }

// Error is the result's name, and the cause in one line.
func (failure *Error) Error() string {
	return failure.Reply.Result.String() + ": " + failure.Reply.Text("message")
}

// ErrNotSent is what a sender returns when its message has certainly not been sent: the next step is tried.
var ErrNotSent = errors.New("certainly not sent")

// Callbacks are functions of yours that a service calls, each of them optional. A panic in one goes no further.
type Callbacks struct {
	// Send delivers messages, for sender "host". nil means sent; ErrNotSent, also wrapped, certainly not; any other
	// error, and a panic, that it may have been sent: the code stays good, and the call's error is EInDoubt.
	Send func(message json.RawMessage) error
	// Log gets every event: level 1 is an error, 2 a warning, 3 information, 4 all else.
	Log func(level int, event json.RawMessage)
	// Clock tells the time.
	Clock func() time.Time
}

// Service creates codes and verifies them. Close it when it is needed no more.
type Service struct {
	gate    sync.RWMutex
	service *C.otp_service
	opened  Reply
}

// Open opens a service. The configuration is JSON as a string or []byte, nil for the defaults, or whatever json.Marshal
// makes such JSON of.
func Open(config any, to Callbacks) (*Service, error) {
	if C.otp_abi_version() != C.OTP_ABI_VERSION {
		return nil, errors.New("libotp: the library is of another version than otp.h")
	}
	text, err := handOver(asJSON{config})
	if err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(text))
	opened := &Service{}
	opened.opened, err = ask(func(reply *C.char, size C.size_t) C.otp_result {
		return C.otp_open(text, &opened.service, reply, size)
	})
	if err == nil {
		err = opened.set(to)
	}
	if err != nil {
		opened.Close()
		return nil, err
	}
	runtime.SetFinalizer(opened, (*Service).Close)
	return opened, nil
}

func (service *Service) set(to Callbacks) error {
	own, result := service.service, C.otp_result(C.OTP_OK)
	if to.Send != nil {
		result = C.otp_go_on_send(own, C.uintptr_t(cgo.NewHandle(to.Send)))
	}
	if to.Log != nil && result == C.OTP_OK {
		result = C.otp_go_on_log(own, C.OTP_LOG_DEBUG, C.uintptr_t(cgo.NewHandle(to.Log)))
	}
	if to.Clock != nil && result == C.OTP_OK {
		result = C.otp_go_on_clock(own, C.uintptr_t(cgo.NewHandle(to.Clock)))
	}
	if result != C.OTP_OK {
		return failed(Result(result), "callbacks: "+C.GoString(C.otp_result_message(result)))
	}
	return nil
}

// Opened is the reply of Open: its "warnings" say what is odd about the configuration.
func (service *Service) Opened() Reply { return service.opened }

// Close ends the service. Closing again does nothing; any other call of a closed service is an error.
func (service *Service) Close() {
	service.gate.Lock()
	defer service.gate.Unlock()
	C.otp_close(service.service)
	service.service = nil
	runtime.SetFinalizer(service, nil)
}

// Create makes a code and has it delivered. The request is JSON as Open takes it: {"phoneNumber": "+39 333 1234567"}.
func (service *Service) Create(token string, request any) (Reply, error) {
	return service.call(func(own *C.otp_service, texts []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_create(own, texts[0], texts[1], reply, size)
	}, token, asJSON{request})
}

// Resend sends the token's message again.
func (service *Service) Resend(token string) (Reply, error) {
	return service.of(C.otp_go_function(C.otp_resend), token)
}

// ResendChannel sends it again by this channel: "sms", for example.
func (service *Service) ResendChannel(token, channel string) (Reply, error) {
	return service.call(func(own *C.otp_service, texts []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_resend_channel(own, texts[0], texts[1], reply, size)
	}, token, channel)
}

// NotSent says, with sender "none", that the message handed over was not sent.
func (service *Service) NotSent(token string) (Reply, error) {
	return service.of(C.otp_go_function(C.otp_not_sent), token)
}

// Verify uses the code up if it is right. Only a reply that is OK lets somebody in.
func (service *Service) Verify(token, code string) (Reply, error) {
	return service.call(func(own *C.otp_service, texts []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_verify(own, texts[0], texts[1], reply, size)
	}, token, code)
}

// VerifyContext is Verify for a code that was created with a context, such as the payment it confirms.
func (service *Service) VerifyContext(token, code, context string) (Reply, error) {
	return service.call(func(own *C.otp_service, texts []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_verify_context(own, texts[0], texts[1], texts[2], reply, size)
	}, token, code, context)
}

// Cancel ends a code that nobody is to use any more.
func (service *Service) Cancel(token string) (Reply, error) {
	return service.of(C.otp_go_function(C.otp_cancel), token)
}

// Status says how the token's code stands.
func (service *Service) Status(token string) (Reply, error) {
	return service.of(C.otp_go_function(C.otp_status), token)
}

// Webhook takes what the carrier posts: the request's Authorization header, and its body as it came.
func (service *Service) Webhook(authorization string, body []byte) (Reply, error) {
	bytes := C.CBytes(body)
	defer C.free(bytes)
	return service.call(func(own *C.otp_service, texts []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_webhook(own, texts[0], (*C.char)(bytes), C.size_t(len(body)), reply, size)
	}, authorization)
}

// Report stores a receipt that you have authenticated, as JSON as Open takes it: {"clientRef": ref, "status": "read"}.
func (service *Service) Report(report any) (Reply, error) {
	return service.call(func(own *C.otp_service, texts []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_report(own, texts[0], reply, size)
	}, asJSON{report})
}

// RunDue sends what is due by now. Call it every second or so, unless the configuration has "background".
func (service *Service) RunDue() (Reply, error) {
	return service.call(func(own *C.otp_service, _ []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_run_due(own, reply, size)
	})
}

// Metrics says what the service has counted: reply.Integer("calls.create.OTP_OK", 0).
func (service *Service) Metrics() (Reply, error) {
	return service.call(func(own *C.otp_service, _ []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_metrics(own, reply, size)
	})
}

// Copy copies the repository into another, as a backup, or, with the options {"move": true}, to go on there.
func (service *Service) Copy(repository string, options any) (Reply, error) {
	return service.call(func(own *C.otp_service, texts []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_copy(own, texts[0], texts[1], reply, size)
	}, repository, asJSON{options})
}

// Subject says how many failures a subject has, and whether it is locked.
func (service *Service) Subject(subject string) (Reply, error) {
	return service.of(C.otp_go_function(C.otp_subject), subject)
}

// Unlock forgets a subject's failures.
func (service *Service) Unlock(subject string) (Reply, error) {
	return service.of(C.otp_go_function(C.otp_unlock), subject)
}

// Erase removes all that is kept about a recipient.
func (service *Service) Erase(recipient string) (Reply, error) {
	return service.of(C.otp_go_function(C.otp_erase), recipient)
}

// of calls a function whose only parameter is a text.
func (service *Service) of(function C.otp_go_function, text string) (Reply, error) {
	return service.call(func(own *C.otp_service, texts []*C.char, reply *C.char, size C.size_t) C.otp_result {
		return C.otp_go_call(function, own, texts[0], reply, size)
	}, text)
}

func (service *Service) call(run func(*C.otp_service, []*C.char, *C.char, C.size_t) C.otp_result, texts ...any) (Reply, error) {
	handed := make([]*C.char, len(texts))
	for place, text := range texts {
		made, err := handOver(text)
		if err != nil {
			return Reply{}, err
		}
		defer C.free(unsafe.Pointer(made))
		handed[place] = made
	}
	service.gate.RLock()
	own := service.service
	service.gate.RUnlock()
	if own == nil {
		return Reply{}, failed(EArgument, "the service is closed")
	}
	defer runtime.KeepAlive(service)
	// A handle is no address: one that was closed meanwhile is refused by the library.
	return ask(func(reply *C.char, size C.size_t) C.otp_result { return run(own, handed, reply, size) })
}

func ask(run func(reply *C.char, size C.size_t) C.otp_result) (Reply, error) {
	buffer := (*C.char)(C.malloc(C.OTP_REPLY_SIZE))
	defer C.free(unsafe.Pointer(buffer))
	result := Result(run(buffer, C.OTP_REPLY_SIZE))
	reply := Reply{result, []byte(C.GoString(buffer))}
	if result < 0 {
		return Reply{}, &Error{reply}
	}
	return reply, nil
}

func failed(result Result, message string) error {
	text, _ := json.Marshal(map[string]string{"result": result.String(), "message": message})
	return &Error{Reply{result, text}}
}

// asJSON is a value that is handed over as JSON.
type asJSON struct{ value any }

// handOver makes what C.free frees.
func handOver(value any) (*C.char, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case []byte:
		return handOver(string(value))
	case string:
		// C would end the text there.
		if strings.IndexByte(value, 0) >= 0 {
			return nil, failed(EArgument, "text: has a NUL character")
		}
		return C.CString(value), nil
	case asJSON:
		switch given := value.value.(type) {
		case nil, string, []byte:
			return handOver(given)
		}
		text, err := json.Marshal(value.value)
		if err != nil {
			return nil, failed(EArgument, "text: cannot be written as JSON")
		}
		return handOver(text)
	}
	return nil, failed(EInternal, "text: of another type")
}

//export otpGoSend
func otpGoSend(handle unsafe.Pointer, message *C.otp_go_text) (answer C.int32_t) {
	// A panic must not reach C: the message may have been sent, which is 0.
	defer func() { _ = recover() }()
	send := cgo.Handle(handle).Value().(func(json.RawMessage) error)
	switch err := send(json.RawMessage(C.GoString((*C.char)(message)))); {
	case err == nil:
		return 1
	case errors.Is(err, ErrNotSent):
		return 2
	}
	return 0
}

//export otpGoLog
func otpGoLog(handle unsafe.Pointer, level C.int32_t, event *C.otp_go_text) {
	defer func() { _ = recover() }()
	log := cgo.Handle(handle).Value().(func(int, json.RawMessage))
	log(int(level), json.RawMessage(C.GoString((*C.char)(event))))
}

//export otpGoClock
func otpGoClock(handle unsafe.Pointer) (now C.int64_t) {
	now = C.int64_t(time.Now().UnixMilli())
	defer func() { _ = recover() }()
	return C.int64_t(cgo.Handle(handle).Value().(func() time.Time)().UnixMilli())
}

//export otpGoDrop
func otpGoDrop(handle unsafe.Pointer) { cgo.Handle(handle).Delete() }
