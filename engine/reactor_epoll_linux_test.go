package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

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
		t.Skip("-reactor=gnet: this is about the other reactor") // CI runs both
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
			t.Fatal(err)
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

// A connection can be moved while its peer is not reading: what waits for it
// goes along, and is written as soon as there is room.
func TestMovedConnectionTakesItsUnsentOutputAlong(t *testing.T) {
	e, r := startEpoll(t, Options{Loops: 2, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "peer")
	defer func() { _ = f.Close() }()
	from, to := r.pollers[0], r.pollers[1]
	e.internal.admit()
	moved := make(chan int, 1)
	tr := &epollTransport{poller: from, fd: int32(fds[0])}
	from.post(tr, e.internal, nil)
	from.loop.postSingly(func(l *loop) {
		written := 0
		for chunk := make([]byte, 64<<10); tr.buffered() < 1<<20; written += len(chunk) {
			if err := tr.write(chunk); err != nil {
				break
			}
		}
		c := tr.conn
		l.conns.remove(c)
		l.wheel.Cancel(&c.timer)
		c.loop = to.loop
		tr.move(c, to.loop)
		moved <- written
	})
	want, got := <-moved, 0
	_ = f.SetReadDeadline(time.Now().Add(time.Minute))
	for b := make([]byte, 64<<10); got < want; {
		n, err := f.Read(b)
		if err != nil {
			t.Fatalf("%d of %d bytes arrived: %v", got, want, err)
		}
		got += n
	}
}

// Descriptors are the whole program's; the table of a loop is as large as the
// loop had connections at a time.
func TestTableOfConnectionsDoesNotGrowWithDescriptors(t *testing.T) {
	e, r := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	for range 100 { // the descriptors of connections are above these
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
	}
	address := e.Addr("p").String()
	stays := connectTo(t, address, "stays")
	for range 20 {
		c := connectTo(t, address, "comes and goes")
		c.Send(codec.AppendDisconnect(nil, &codec.Disconnect{}))
		c.ExpectClose()
	}
	stays.Send(codec.AppendPingreq(nil))
	stays.NextOf(codec.TypePingresp)
	length := make(chan int, 1)
	e.loops[0].post(func(*loop) { length <- len(r.pollers[0].transports) })
	if n := <-length; n > 3 {
		t.Errorf("room for %d connections", n)
	}
}

// There may be a million of these: each is of a size of Go's allocator, and a
// byte more would be 16.
func TestConnectionsAreSmall(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 240 {
		t.Errorf("a conn takes %d bytes", n)
	}
	if n := unsafe.Sizeof(Session{}); n > 144 {
		t.Errorf("a Session takes %d bytes", n)
	}
	if n := unsafe.Sizeof(epollTransport{}); n > 64 {
		t.Errorf("an epollTransport takes %d bytes", n)
	}
}

// A peer that takes a byte at a time makes a backlog move no more often than it
// halves.
func TestBacklogIsNotMovedForEachByteThatIsTaken(t *testing.T) {
	var u unsent
	u.keep(make([]byte, 1<<16))
	moved, first := 0, &u.b[0]
	for range 1 << 14 {
		u.sent++
		u.keep([]byte{1})
		if &u.b[0] != first || u.sent == 0 {
			moved++
			first = &u.b[0]
		}
	}
	if moved > 8 {
		t.Errorf("moved %d times", moved)
	}
}

// Whoever is connected is served between the CONNECT packets of a crowd.
func TestCrowdThatConnectsAtOnceTakesManyTurns(t *testing.T) {
	e, _ := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	l := e.loops[0]
	onLoop := func(f func()) {
		done := make(chan struct{})
		l.post(func(*loop) { f(); close(done) })
		<-done
	}
	var crowd []*codectest.Conn
	for range 5 * maxCrowd {
		crowd = append(crowd, codectest.Dial(t, e.Addr("p").String(), codectest.Options{Timeout: time.Minute}))
	}
	for there := 0; there < len(crowd); {
		onLoop(func() { there = l.conns.len })
	}
	onLoop(func() { // while it does nothing else, all of them ask
		for _, c := range crowd {
			c.Send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, CleanStart: true}))
		}
	})
	for _, c := range crowd {
		c.NextOf(codec.TypeConnack)
	}
	turns := make(map[int64]int)
	onLoop(func() {
		for c := l.conns.first; c != nil; c = c.next {
			turns[c.lastReceived]++
		}
	})
	for _, n := range turns {
		if n > maxCrowd {
			t.Errorf("a turn took in %d, want %d at most", n, maxCrowd)
		}
	}
}

func TestOneConnectionIsAcceptedInACycleWhileThereAreMessages(t *testing.T) {
	e, r := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	// Accepting is itself begun by a task of the executor: a loop's mail may be
	// taken before that.
	begun := make(chan struct{})
	r.executors[0].post(func() { close(begun) })
	<-begun
	onPoller(e, r, func(p *poller) {
		for range acceptBatch {
			nc, err := net.Dial("tcp", e.Addr("p").String()) // into the backlog
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
		}
		for _, a := range r.executors[0].acceptors {
			awaitBacklog(t, a.fd, acceptBatch)
		}
		for _, row := range []struct {
			name string
			last int64
			want int
		}{
			{"a message", p.loop.now, 1},
			{"none for a while", p.loop.now - int64(messagesFollow), acceptBatch},
		} {
			p.loop.lastMessage = row.last
			for _, a := range r.executors[0].acceptors {
				a.accept()
			}
			if n := len(p.arrivals); n != row.want {
				t.Errorf("%s: %d have been accepted, want %d", row.name, n, row.want)
			}
		}
	})
}

// Whoever stays is served between those of a crowd that leaves.
func TestCrowdThatLeavesAtOnceTakesManyTurns(t *testing.T) {
	e, r := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	var crowd []*codectest.Conn
	for range 5 * maxCrowd {
		c := codectest.Dial(t, e.Addr("p").String(), codectest.Options{Timeout: time.Minute})
		c.Send(codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, CleanStart: true}))
		c.NextOf(codec.TypeConnack)
		crowd = append(crowd, c)
	}
	onPoller(e, r, func(p *poller) {
		for _, c := range crowd {
			c.Close()
		}
		awaitInput(t, p)
		lookAtConnections(t, p, make([]byte, 16))
		if n := len(p.loop.closing); n > 0 || len(p.passing) != len(crowd) {
			t.Errorf("%d are let go at once, and %d later", n, len(p.passing))
		}
		for waiting := len(p.passing); waiting > 0; waiting = len(p.passing) {
			p.turn(nil, make([]byte, 16))
			if n := waiting - len(p.passing); n < 1 || n > maxCrowd {
				t.Errorf("%d are let go in one turn, want %d", n, maxCrowd)
				return
			}
		}
		if p.loop.conns.len > 0 {
			t.Errorf("%d are still here", p.loop.conns.len)
		}
	})
}

// A connection whose handshake ends as its port goes is overtaken by the news,
// and ends with the port all the same.
func TestConnectionThatArrivesAfterItsPortHasGoneIsClosed(t *testing.T) {
	server, client := tlsForConversations(t)
	e, _ := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0", TLS: server}}})
	address := e.Addr("p").String()
	l := e.loops[0]
	var nc *tls.Conn
	done := make(chan error, 1)
	l.post(func(l *loop) {
		var err error
		if nc, err = tls.Dial("tcp", address, client); err == nil {
			for l.singles.empty() {
				runtime.Gosched()
			}
			err = e.Apply(context.Background(), nil)
		}
		done <- err
	})
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := nc.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if n, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes: %v", n, err)
	}
}

// onPoller runs do on the first loop.
func onPoller(e *Engine, r *epollReactor, do func(p *poller)) {
	done := make(chan struct{})
	e.loops[0].post(func(*loop) { do(r.pollers[0]); close(done) })
	<-done
}

// awaitInput returns when there is something to read of each connection. What a
// peer on the same machine has sent may still be on its way: the kernel hands it
// over later when it has much to do.
func awaitInput(t *testing.T, p *poller) {
	t.Helper()
	for _, tr := range p.transports {
		if tr == nil {
			continue
		}
		ready := []unix.PollFd{{Fd: tr.fd, Events: unix.POLLIN}}
		for n := 0; n < 1; {
			var err error
			if n, err = unix.Poll(ready, -1); err != nil && err != unix.EINTR {
				t.Error(err)
				return
			}
		}
	}
}

// awaitBacklog returns when so many connections wait to be accepted.
func awaitBacklog(t *testing.T, fd int32, n uint32) {
	t.Helper()
	for waiting := uint32(0); waiting < n; {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Error(err)
			return
		}
		waiting = info.Unacked // of a socket that listens
	}
}

// lookAtConnections handles what their events are.
func lookAtConnections(t *testing.T, p *poller, buffer []byte) {
	t.Helper()
	n, errno := rawEpollPoll(p.epoll, p.events)
	if errno != 0 {
		t.Error(errno)
	}
	for i := range n {
		if ev := &p.events[i]; ev.Pad == aboutConnection {
			p.ready(ev.Fd, ev.Events, buffer)
		}
	}
}

// However often it is reported that there is more.
func TestWhoNeverStopsIsReadFromOnceInATurn(t *testing.T) {
	e, r := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	nc, err := net.Dial("tcp", e.Addr("p").String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	connect := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("x"), CleanStart: true})
	if _, err := nc.Write(connect); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Read(make([]byte, 1)); err != nil { // of its CONNACK
		t.Fatal(err)
	}
	onPoller(e, r, func(p *poller) {
		buffer := make([]byte, 16)
		before := p.loop.stats.BytesReceived
		for turn := range uint64(5) {
			if _, err := nc.Write(bytes.Repeat(codec.AppendPingreq(nil), 50)); err != nil {
				t.Error(err)
			}
			awaitInput(t, p)
			p.readLater(&p.more, pollBatch, buffer)
			lookAtConnections(t, p, buffer)
			if n := p.loop.stats.BytesReceived - before; len(p.more) != 1 || n != (turn+1)*uint64(len(buffer)) {
				t.Errorf("after turn %d %d bytes are read, and it is noted %d times", turn+1, n, len(p.more))
			}
		}
	})
}

// Those who have something to say before they are Clients are heard in the order
// that they came, a few in each turn, and who goes on talking comes last.
func TestNewcomersTakeTurns(t *testing.T) {
	e, r := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	const talkers = 3*maxCrowd + 1
	var peers []net.Conn
	for range talkers {
		nc, err := net.Dial("tcp", e.Addr("p").String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		peers = append(peers, nc)
	}
	onLoop := func(do func(p *poller)) { onPoller(e, r, do) }
	for here := 0; here < talkers; {
		onLoop(func(p *poller) { here = int(p.connections.Load()) - len(p.arrivals) })
	}
	onLoop(func(p *poller) {
		said := make([]byte, 1) // of a CONNECT packet
		said[0] = byte(codec.TypeConnect) << 4
		for _, nc := range peers {
			if _, err := nc.Write(said); err != nil {
				t.Error(err)
			}
		}
		awaitInput(t, p)
		buffer := make([]byte, 16)
		var heard []int32
		for turn := 0; len(heard) < talkers; turn++ {
			if turn == 2*talkers {
				t.Error("not all are heard")
				return
			}
			lookAtConnections(t, p, buffer)
			before := slices.Clone(p.passing)
			p.readLater(&p.passing, maxCrowd, buffer)
			now := before[:len(before)-len(p.passing)]
			if len(now) > maxCrowd {
				t.Errorf("%d are heard in one turn", len(now))
			}
			heard = append(heard, now...)
			if turn > 0 {
				continue
			}
			// The first one goes on, and is not heard before the others.
			if _, err := peers[0].Write(make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
		slices.Sort(heard)
		if n := len(slices.Compact(heard)); n != talkers {
			t.Errorf("%d of %d are heard in the first turns", n, talkers)
		}
	})
}

// The end of a connection is reported once, together with what was sent before.
func TestClientThatSendsAndLeavesAtOnceIsHeardAndGone(t *testing.T) {
	for _, row := range []struct {
		name    string
		payload int
		leave   func(*net.TCPConn) error
	}{
		{"closes", 10, (*net.TCPConn).Close},
		{"closes after more than one read", readBytes + readBytes/2, (*net.TCPConn).Close},
		{"closes after exactly one read", -1, (*net.TCPConn).Close},
		{"only sends no more", 10, (*net.TCPConn).CloseWrite},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, r := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
			got := make(chan int, 1)
			if _, err := e.Subscribe(t.Context(), "a", SubscribeOptions{}, func(m *Message) { got <- len(m.Payload) }); err != nil {
				t.Fatal(err)
			}
			connect := codec.AppendConnect(nil, &codec.Connect{Version: codec.V5, ClientID: []byte("x"), CleanStart: true})
			packets := func(payload int) []byte {
				return codec.AppendPublish(slices.Clone(connect), codec.V5, &codec.Publish{TopicName: []byte("a"), Payload: make([]byte, payload)})
			}
			payload := row.payload
			if payload < 0 {
				payload = readBytes - len(packets(readBytes)) + readBytes
			}
			nc, err := net.Dial("tcp", e.Addr("p").String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			// All is there before the loop looks, and before it answers: whoever closes
			// with an answer unread takes back what is on its way.
			held, sent := make(chan struct{}), make(chan struct{})
			e.loops[0].post(func(*loop) { close(held); <-sent })
			<-held
			text := packets(payload)
			tcp := nc.(*net.TCPConn)
			err = tcp.SetWriteBuffer(1 << 20)
			if err == nil {
				_, err = nc.Write(text)
			}
			if err := errors.Join(err, row.leave(tcp)); err != nil {
				t.Error(err)
			}
			close(sent)
			if n := <-got; n != payload {
				t.Errorf("%d bytes arrive, want %d", n, payload)
			}
			for r.pollers[0].connections.Load() > 0 {
				runtime.Gosched()
			}
		})
	}
}

// Answers for thousands of Clients that come together are heard few at a time,
// in order, and mail does not wait for them.
func TestAnswersThatComeTogetherTakeManyTurns(t *testing.T) {
	e, _ := startEpoll(t, Options{Loops: 1, Listeners: []Listener{{Name: "p", Address: "127.0.0.1:0"}}})
	const answers = 10 * maxCrowd
	turns, order := make(map[int64]int), []int(nil)
	done, mail := make(chan struct{}), -1
	e.loops[0].post(func(l *loop) { // while it does nothing else, all of them are posted
		for i := range answers {
			l.postSingly(func(l *loop) {
				turns[l.now]++
				order = append(order, i)
				if i == 0 {
					l.post(func(*loop) { mail = len(order) })
				}
			})
		}
		l.postSingly(func(*loop) { close(done) })
	})
	<-done
	if len(order) != answers || !slices.IsSorted(order) {
		t.Errorf("%d answers were heard, in order: %v; want %d", len(order), slices.IsSorted(order), answers)
	}
	if mail < 1 || mail > 2*maxCrowd {
		t.Errorf("mail was taken after %d answers", mail)
	}
	for _, n := range turns {
		if n > maxCrowd {
			t.Errorf("%d answers in a turn, want %d at most", n, maxCrowd)
		}
	}
}
