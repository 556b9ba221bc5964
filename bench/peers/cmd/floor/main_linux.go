// Command floor forwards bytes: one read and one write for each wakeup, by one
// thread and no library. It is what a broker that did nothing at all would
// cost, and stands below the brokers in the table.
//
// It knows as much MQTT 3.1.1 as it takes to be measured like a broker: it
// answers CONNECT and SUBSCRIBE, and the first PUBLISH of a connection tells
// whose Topic Filters match. From then on, whatever comes from that connection
// goes to those subscribers unread. That is enough for QoS 0 and Publishers
// that keep to one topic.
package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

func main() {
	address := flag.String("address", "127.0.0.1:1883", "`IPv4:PORT` to listen on")
	flag.Parse()
	runtime.LockOSThread()
	// What is allocated is allocated while connections are made.
	debug.SetGCPercent(-1)
	if err := forward(*address); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

// forward listens and runs the loop; it returns only if that cannot go on.
func forward(address string) error {
	listener, err := listen(address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	f := forwarder{poll: poll, listener: listener, conns: make(map[int32]*conn), buffer: make([]byte, 1<<18)}
	return f.run()
}

// listen returns a listening socket.
func listen(address string) (int, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	if !at.Addr().Is4() {
		return 0, fmt.Errorf("%s is no IPv4 address", at.Addr())
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	return fd, os.NewSyscallError("listen", syscall.Listen(fd, syscall.SOMAXCONN))
}
