// Keeps a handle where Go keeps pointers, while its stacks move and its collector runs.
package main

/*
#cgo LDFLAGS: -lotp
#include <stdlib.h>
#include "otp.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// deep moves the stack: each frame holds the handle in a variable, and Go looks at all variables that are pointers.
//
//go:noinline
func deep(level int, handle *unsafe.Pointer) int {
	var room [512]byte
	if level == 0 {
		runtime.GC()
		return int(room[0])
	}
	kept := *handle
	sum := deep(level-1, handle) + int(room[level%512])
	runtime.KeepAlive(kept)
	return sum
}

func main() {
	reply := (*C.char)(C.malloc(C.OTP_REPLY_SIZE))
	config := C.CString(`{"repository": "memory:", "sender": {"type": "none"}}`)
	for round := 0; round < 100; round++ {
		var service *C.otp_service
		if C.otp_open(config, &service, reply, C.OTP_REPLY_SIZE) != C.OTP_OK {
			panic(C.GoString(reply))
		}
		done := make(chan int)
		handle := unsafe.Pointer(service)
		go func() { done <- deep(4000, &handle) }()
		<-done
		if C.otp_run_due(service, reply, C.OTP_REPLY_SIZE) != C.OTP_OK {
			panic(C.GoString(reply))
		}
		C.otp_close(service)
	}
	fmt.Println("kept")
}
