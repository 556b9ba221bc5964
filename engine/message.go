package engine

import (
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/weirmq/weir/codec"
)

// message is an Application Message that outlives the turn it came in: one
// that waits in a Session, is in flight, is retained, or crosses loops. It is
// immutable and counted; whoever keeps a pointer beyond the turn holds a
// reference.
type message struct {
	refs atomic.Int32

	topic   string
	props   []byte // the properties that a Server forwards, encoded; window on buf
	payload []byte // window on buf
	buf     []byte

	qos    codec.QoS
	retain bool

	// hasExpiry says that the Message Expiry Interval was set, to expiry
	// seconds counted from published.
	hasExpiry bool
	expiry    uint32
	published int64 // loop time

	publisher uint64 // see publication.publisher

	// unpooled messages are left to the garbage collector, see retainedStore.
	unpooled bool
}

// maxPooledMessage is the largest buffer kept for the next message: a pool
// full of rare large ones would hold memory that nobody asked for.
const maxPooledMessage = 64 << 10

var messages = sync.Pool{New: func() any { return new(message) }}

// size is what the message counts for against byte bounds.
func (m *message) size() int { return len(m.topic) + len(m.buf) }

// ref takes n references.
func (m *message) ref(n int32) { m.refs.Add(n) }

// tryRef takes a reference, unless there is none left.
func (m *message) tryRef() bool {
	for {
		n := m.refs.Load()
		if n == 0 || m.refs.CompareAndSwap(n, n+1) {
			return n != 0
		}
	}
}

// release gives back one reference. The last one returns the message to the
// pool, so that nothing of it may be used afterwards, and says how many bytes
// that let go of. Loops use loop.release, which counts them.
func (m *message) release() (freed int) {
	n := m.refs.Add(-1)
	if n > 0 {
		return 0
	}
	if n < 0 {
		panic("engine: message released more often than retained")
	}
	if m.unpooled {
		return m.size()
	}
	if invariants {
		scribble(m.buf[:cap(m.buf)])
	}
	freed = m.size()
	buf := m.buf
	if cap(buf) > maxPooledMessage {
		buf = nil
	}
	m.topic, m.props, m.payload, m.buf = "", nil, nil, buf[:0]
	messages.Put(m)
	return freed
}

// remaining returns the Message Expiry Interval to send at now [MQTT-3.3.2-6],
// and whether the message has expired [MQTT-3.3.2-5].
func remaining(expiry uint32, published, now int64) (seconds uint32, expired bool) {
	waited := (now - published) / int64(1e9)
	if waited <= 0 {
		return expiry, expiry == 0 && now > published
	}
	if waited >= int64(expiry) {
		return 0, true
	}
	return expiry - uint32(waited), false
}

func (m *message) expired(now int64) bool {
	if !m.hasExpiry {
		return false
	}
	_, expired := remaining(m.expiry, m.published, now)
	return expired
}

// publication is an Application Message on its way through one turn. Its
// fields borrow the read buffer or a message; only keep makes a copy.
type publication struct {
	topic   string
	props   []byte
	payload []byte

	qos       codec.QoS
	retain    bool
	hasExpiry bool
	expiry    uint32
	published int64

	read bool // its bytes stay as they are until loop.settle

	from *Session // who published; nil for the Server itself
	msg  *message // set by keep or of
	// fanout is the number of receivers on this loop, to choose between
	// encoding in place and encoding once for all.
	fanout int
}

// of makes p a view of m.
func (p *publication) of(m *message) {
	*p = publication{
		topic: m.topic, props: m.props, payload: m.payload,
		qos: m.qos, retain: m.retain,
		hasExpiry: m.hasExpiry, expiry: m.expiry, published: m.published,
		msg: m,
	}
}

// keep returns p as a message, copying it the first time. The caller takes
// the references that it needs; p.done gives back the one that p holds.
func (p *publication) keep(l *loop) *message {
	if p.msg != nil {
		return p.msg
	}
	m := messages.Get().(*message)
	m.refs.Store(1)
	m.buf = append(append(m.buf[:0], p.props...), p.payload...)
	n := len(p.props)
	m.topic, m.props, m.payload = p.topic, m.buf[:n:n], m.buf[n:]
	m.qos, m.retain = p.qos, p.retain
	m.hasExpiry, m.expiry, m.published = p.hasExpiry, p.expiry, p.published
	m.publisher = p.publisher()
	p.msg = m
	l.stats.BytesHeld += int64(m.size())
	return m
}

// publisher is the hash of the publisher's Client Identifier, which is as if it
// were empty for the Server itself.
func (p *publication) publisher() uint64 {
	switch {
	case p.from != nil:
		return p.from.hash
	case p.msg != nil:
		return p.msg.publisher
	}
	return serverHash
}

var serverHash = xxhash.Sum64String("")

// done gives back what keep holds for p itself. It is for publications that
// were decoded, not for those made by of.
func (p *publication) done(l *loop) {
	if p.msg != nil {
		l.release(p.msg)
		p.msg = nil
	}
}

// forwarded returns props, the properties of a message that are passed on. If
// they were gathered in l.props that may have grown; if they are all of raw
// they are on loan, and must not become the scratch of the next packet.
func (l *loop) forwarded(props, raw []byte) []byte {
	if len(props) < len(raw) {
		l.props = props
	}
	return props
}
