package main

import (
	"os"
	"syscall"
	"unsafe"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/topics"
)

// forwarder is the one loop.
type forwarder struct {
	poll, listener int
	conns          map[int32]*conn
	buffer         []byte
}

// conn is one connection.
type conn struct {
	fd      int32
	filters []string // of a subscriber
	carry   []byte   // part of a packet, before the first PUBLISH
	// receivers is where all that comes from here goes, once there was a
	// PUBLISH.
	receivers []*conn
}

func (f *forwarder) run() error {
	if err := f.watch(int32(f.listener)); err != nil {
		return err
	}
	var events [256]syscall.EpollEvent
	for {
		// The system calls are raw: Go's scheduler, told of each, would take
		// the thread for blocked and start another.
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(f.poll),
			uintptr(unsafe.Pointer(&events)), uintptr(len(events)), ^uintptr(0), 0, 0)
		switch errno {
		case 0:
		case syscall.EINTR:
			continue
		default:
			return os.NewSyscallError("epoll_pwait", errno)
		}
		for i := range events[:n] {
			if fd := events[i].Fd; fd == int32(f.listener) {
				f.accept()
			} else if c := f.conns[fd]; c != nil {
				f.receive(c)
			}
		}
	}
}

// watch has the poll report that fd can be read, for as long as it can.
func (f *forwarder) watch(fd int32) error {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: fd}
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(f.poll, syscall.EPOLL_CTL_ADD, int(fd), &event))
}

func (f *forwarder) accept() {
	for {
		fd, _, err := syscall.Accept4(f.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		// Whoever cannot be served sees the connection close.
		if syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) != nil || f.watch(int32(fd)) != nil {
			syscall.Close(fd)
			continue
		}
		f.conns[int32(fd)] = &conn{fd: int32(fd)}
	}
}

// receive reads once and passes it on.
func (f *forwarder) receive(c *conn) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(c.fd), uintptr(unsafe.Pointer(&f.buffer[0])), uintptr(len(f.buffer)))
	if errno == syscall.EAGAIN || errno == syscall.EINTR {
		return
	}
	if errno != 0 || n == 0 {
		f.close(c)
		return
	}
	data := f.buffer[:n]
	switch {
	case len(data) == 2 && data[0] == byte(codec.TypeDisconnect)<<4:
		f.close(c)
	case c.receivers != nil:
		for _, r := range c.receivers {
			r.write(data)
		}
	default:
		f.control(c, data)
	}
}

// control answers packets until the first PUBLISH, and passes that on with all
// that follows.
func (f *forwarder) control(c *conn, data []byte) {
	data = append(c.carry, data...)
	for {
		frame, size, err := codec.ReadFrame(data, 0)
		if err != nil {
			f.close(c)
			return
		}
		if size == 0 || size > len(data) {
			c.carry = data
			return
		}
		switch frame.Type {
		case codec.TypeConnect:
			c.write(codec.AppendConnack(nil, codec.V311, &codec.Connack{}))
		case codec.TypeSubscribe:
			var s codec.Subscribe
			if err := codec.DecodeSubscribe(&s, codec.V311, frame.Body); err != nil {
				f.close(c)
				return
			}
			for _, subscription := range s.Subscriptions {
				c.filters = append(c.filters, string(subscription.TopicFilter))
			}
			c.write(codec.AppendSuback(nil, codec.V311, s.PacketID, make([]codec.ReasonCode, len(s.Subscriptions)), ""))
		case codec.TypePublish:
			var p codec.Publish
			if err := codec.DecodePublish(&p, codec.V311, frame.Flags, frame.Body); err != nil {
				f.close(c)
				return
			}
			c.receivers, c.carry = f.subscribers(string(p.TopicName)), nil
			for _, r := range c.receivers {
				r.write(data)
			}
			return
		default:
			f.close(c)
			return
		}
		data = data[size:]
	}
}

// subscribers returns the connections that have a Topic Filter that matches.
func (f *forwarder) subscribers(name string) []*conn {
	list := make([]*conn, 0, len(f.conns))
	for _, c := range f.conns {
		for _, filter := range c.filters {
			if topics.Match(filter, name) {
				list = append(list, c)
				break
			}
		}
	}
	return list
}

// write writes all of data and waits where there is no room. A connection that
// has failed is closed when it is read.
func (c *conn) write(data []byte) {
	for len(data) > 0 && c.fd >= 0 {
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(c.fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)))
		switch errno {
		case 0:
			data = data[n:]
		case syscall.EINTR:
		case syscall.EAGAIN:
			c.awaitRoom()
		default:
			return
		}
	}
}

// pollFD is struct pollfd of poll(2), and pollOut the event that is awaited.
type pollFD struct {
	fd              int32
	events, revents int16
}

const pollOut = 4

// awaitRoom blocks until the connection can be written, or has failed: which of
// them, the next write tells.
func (c *conn) awaitRoom() {
	fds := pollFD{fd: c.fd, events: pollOut}
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, 0, 0, 0, 0)
}

func (f *forwarder) close(c *conn) {
	delete(f.conns, c.fd)
	syscall.Close(int(c.fd))
	c.fd = -1
}
