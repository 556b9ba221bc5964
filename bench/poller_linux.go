package bench

import (
	"syscall"
	"time"
	"unsafe"
)

// poller is level-triggered epoll for one thread. The system calls are raw:
// the thread is the loop's alone, so there is nothing for the Go scheduler to
// hand over while it sleeps, and each hand-over would cost more than the call.
// A signal, such as that by which the garbage collector stops a thread, ends
// the wait.
type poller struct {
	fd     int
	events []syscall.EpollEvent
	coarse bool // the kernel has no epoll_pwait2
}

// sysEpollPwait2 has the same number everywhere. syscall does not name it: it
// came with Linux 5.11. epoll_pwait counts milliseconds, in which an open loop
// would send ten messages at once in place of one each.
const sysEpollPwait2 = 441

// maxEvents is how many sockets one wait reports. With thousands ready at once
// a second call costs little beside their reads.
const maxEvents = 1024

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, &SystemError{"epoll_create1", err}
	}
	return &poller{fd: fd, events: make([]syscall.EpollEvent, maxEvents)}, nil
}

func (p *poller) close() { _ = syscall.Close(p.fd) }

// watch begins to report fd as number index: when it can be read, and if
// writable is set when it can be written. again is set after the first time.
func (p *poller) watch(fd, index int, writable, again bool) error {
	e := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(index)}
	if writable {
		e.Events |= syscall.EPOLLOUT
	}
	op := syscall.EPOLL_CTL_ADD
	if again {
		op = syscall.EPOLL_CTL_MOD
	}
	if err := syscall.EpollCtl(p.fd, op, fd, &e); err != nil {
		return &SystemError{"epoll_ctl", err}
	}
	return nil
}

// kernelTimespec is struct __kernel_timespec, of the same size everywhere.
type kernelTimespec struct{ seconds, nanoseconds int64 }

// wait waits for at most d and returns how many events there are.
func (p *poller) wait(d time.Duration) (int, error) {
	d = max(d, 0)
	var n uintptr
	var errno syscall.Errno
	if !p.coarse {
		t := kernelTimespec{int64(d / time.Second), int64(d % time.Second)}
		n, _, errno = syscall.RawSyscall6(sysEpollPwait2, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
			uintptr(len(p.events)), uintptr(unsafe.Pointer(&t)), 0, 0)
		p.coarse = errno == syscall.ENOSYS
	}
	if p.coarse {
		// Rounded down: what is due within the millisecond is asked for again
		// and again, which costs CPU time and no latency.
		n, _, errno = syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])),
			uintptr(len(p.events)), uintptr(d/time.Millisecond), 0, 0)
	}
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EINTR:
		return 0, nil
	}
	return 0, &SystemError{"epoll_wait", errno}
}

// event returns the i-th event of the last wait.
func (p *poller) event(i int) (index int, readable, writable bool) {
	e := &p.events[i]
	return int(e.Fd), e.Events&^syscall.EPOLLOUT != 0, e.Events&syscall.EPOLLOUT != 0
}

// sharpenTimer has the kernel wake this thread when a wait is over, and not up
// to 50 microseconds later, which is its way to save wakeups.
func sharpenTimer() {
	const prSetTimerslack = 29
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetTimerslack, 1, 0) // else latencies are as much higher
}

// readSocket reads from a socket that is not blocking: errWouldBlock if there
// is nothing yet, and 0 at its end.
func readSocket(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return socketResult("read", n, errno)
}

// writeSocket writes what a socket takes at once: errWouldBlock if nothing.
func writeSocket(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return socketResult("write", n, errno)
}

func socketResult(call string, n uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case syscall.EAGAIN, syscall.EINTR:
		return 0, errWouldBlock
	}
	return 0, &SystemError{call, errno}
}

func closeSocket(fd int) { _ = syscall.Close(fd) }

// socketEnded reports whether the other side has ended a connection. Reading it
// would tell only after all that nobody has read.
func socketEnded(fd int) bool {
	// The first byte of struct tcp_info is the state, and this is what package
	// syscall has for four bytes.
	const tcpEstablished = 1
	info, err := syscall.GetsockoptInet4Addr(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
	return err != nil || info[0] != tcpEstablished
}

// abortSocket closes a connection without saying goodbye: with an RST.
func abortSocket(fd int) {
	// Where it cannot be had, an end is one too.
	_ = syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	closeSocket(fd)
}

// duplicateSocket returns a second descriptor of the same socket.
func duplicateSocket(fd int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return 0, &SystemError{"fcntl", errno}
	}
	return int(n), nil
}
