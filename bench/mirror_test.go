//go:build linux

package bench

import (
	"syscall"
	"testing"

	"github.com/weirmq/weir/codec"
)

// mirror is what is at the other end of the sockets in place of a broker, on
// the same goroutine, so that what is allocated is the loop's doing: it hands
// on what a Publisher sends, acknowledges it, and completes QoS 2.
type mirror struct {
	t        *testing.T
	pub, sub int // its ends of the sockets
	buf      []byte
	toPub    []byte
	toSub    []byte
	have     [2][]byte // what came from each and is no whole packet
	version  codec.Version

	// tamper, if set, appends what becomes of a PUBLISH on its way.
	tamper func(toSub, packet []byte) []byte
}

func (m *mirror) forward() {
	m.toPub, m.toSub = m.toPub[:0], m.toSub[:0]
	for i, fd := range []int{m.pub, m.sub} {
		n, err := readSocket(fd, m.buf)
		if err == errWouldBlock {
			continue
		}
		if err != nil {
			m.t.Fatal(err)
		}
		m.have[i] = append(m.have[i], m.buf[:n]...)
		rest := m.have[i]
		for {
			f, size, err := codec.ReadFrame(rest, 0)
			if err != nil {
				m.t.Fatal(err)
			}
			if size == 0 || size > len(rest) {
				break
			}
			m.handle(i, f, rest[:size])
			rest = rest[size:]
		}
		m.have[i] = append(m.have[i][:0], rest...)
	}
	m.write(m.pub, m.toPub)
	m.write(m.sub, m.toSub)
}

func (m *mirror) handle(from int, f codec.Frame, packet []byte) {
	id := func() codec.PacketID { return codec.PacketID(f.Body[0])<<8 | codec.PacketID(f.Body[1]) }
	switch f.Type {
	case codec.TypePublish:
		if m.tamper != nil {
			m.toSub = m.tamper(m.toSub, packet)
		} else {
			m.toSub = append(m.toSub, packet...)
		}
		if qos := codec.QoS(f.Flags >> 1 & 3); qos > codec.QoS0 {
			at := codec.PacketIDOffset(packet)
			answer := codec.TypePuback
			if qos == codec.QoS2 {
				answer = codec.TypePubrec
			}
			m.toPub = codec.AppendAck(m.toPub, m.version, answer, codec.PacketID(packet[at])<<8|codec.PacketID(packet[at+1]), codec.Success)
		}
	case codec.TypePubrel:
		m.toPub = codec.AppendAck(m.toPub, m.version, codec.TypePubcomp, id(), codec.Success)
	case codec.TypePubrec:
		if from == 1 {
			m.toSub = codec.AppendAck(m.toSub, m.version, codec.TypePubrel, id(), codec.Success)
		}
	}
}

func (m *mirror) write(fd int, b []byte) {
	if len(b) == 0 {
		return
	}
	if n, err := writeSocket(fd, b); err != nil || n < len(b) {
		m.t.Fatalf("wrote %d of %d bytes, %v", n, len(b), err)
	}
}

// socketPair returns the ends of a connection that do not block.
func socketPair(t *testing.T) (ours, theirs int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeSocket(fds[1]) })
	return fds[0], fds[1]
}

// newMirrored returns one Publisher and one Subscriber of c with a mirror
// between them.
func newMirrored(t *testing.T, c Config) (*traffic, *mirror) {
	t.Helper()
	c.Broker, c.Publishers, c.Subscribers = "localhost", 1, 1
	c, err := c.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(1 << 10)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	plan := newPlan(&c)
	run := &traffic{loop: l, config: c, plan: plan, dialer: new(dialer), flows: make([]flow, plan.flows), padding: make([]byte, c.Size)}
	pub, sub := &publisher{traffic: run, topics: plan.publishers[0]}, &subscriber{traffic: run}
	run.publishers, run.subscribers = []*publisher{pub}, []*subscriber{sub}
	m := &mirror{t: t, buf: make([]byte, 64<<10), version: c.Version}
	var ours int
	ours, m.pub = socketPair(t)
	if pub.conn, err = l.add(ours, layers{}, nil, pub); err != nil {
		t.Fatal(err)
	}
	ours, m.sub = socketPair(t)
	if sub.conn, err = l.add(ours, layers{}, nil, sub); err != nil {
		t.Fatal(err)
	}
	if c.QoS > codec.QoS0 && c.Window > 0 {
		pub.setQuota(c.Window)
	}
	run.measureTo = 1 << 62
	if run.open() {
		run.interval = 1e9 / c.Rate
		run.start = run.clock()
	}
	pub.wake()
	return run, m
}

// round lets both sides do what they can.
func (m *mirror) round(run *traffic) {
	if err := run.turn(0, run.refill); err != nil {
		m.t.Fatal(err)
	}
	m.forward()
}
