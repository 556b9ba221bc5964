package engine

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/codec/codectest"
)

// startEpoll runs an Engine on the epoll reactor until the test ends.
func startEpoll(t *testing.T, o Options) (*Engine, *epollReactor) {
	t.Helper()
	o.SysInterval = -1
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := e.reactor.(*epollReactor)
	if !ok {
		t.Skip("another reactor was asked for")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	<-e.Started()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return e, r
}

func connectTo(t *testing.T, address, id string) *codectest.Conn {
	t.Helper()
	return codectest.Dial(t, address, codectest.Options{Timeout: time.Minute, Connect: &codec.Connect{Version: codec.V5, ClientID: []byte(id), CleanStart: true}})
}

// What failed to start is shut down as well, when its descriptors may be
// somebody else's.
func TestReactorThatFailsToStartClosesItsDescriptorsOnce(t *testing.T) {
	for room := range uint64(8) {
		e, err := New(Options{Loops: 2})
		if err != nil {
			t.Fatal(err)
		}
		r := newEpollReactor(e)
		var before unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
		limit := before
		limit.Cur = lowestDescriptor(t) + room
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Skip(err)
		}
		failed := r.start()
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
		var others []int
		for range 8 {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, fd)
		}
		r.shutdown()
		for _, fd := range others {
			if err := unix.Close(fd); err != nil {
				t.Errorf("room for %d descriptors: one of somebody else was closed: %v", room, err)
			}
		}
		if room < 6 && failed == nil {
			t.Errorf("started with %d descriptors", room)
		}
	}
}

func lowestDescriptor(t *testing.T) uint64 {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	return uint64(f.Fd())
}

// The loops accept, so a socket that blocks would hold up everything.
func TestListenerThatBlocksHoldsUpNobody(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := syscall.SetNonblock(int(f.Fd()), false); err != nil { // both have it then
		t.Fatal(err)
	}
	e, _ := startEpoll(t, Options{Loops: 2, Listeners: []Listener{{Name: "p", Listener: ln}}})
	for _, id := range []string{"first", "second"} {
		c := connectTo(t, e.Addr("p").String(), id)
		c.Send(codec.AppendPingreq(nil))
		c.NextOf(codec.TypePingresp)
	}
}
