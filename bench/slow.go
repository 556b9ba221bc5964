package bench

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/weirmq/weir/codec"
)

// slowClient is one end of a pair that overloads the broker: a Publisher at a
// rate, or a Subscriber that takes no more than at half of it. It belongs to one
// goroutine.
type slowClient struct {
	dialer     *dialer
	id         string
	topic      string
	subscriber bool
	pace       pace

	client      *client // nil: to be connected again
	out         []byte  // packets that are to be sent
	packetID    codec.PacketID
	outstanding int // messages without PUBACK or PUBCOMP

	messages uint64 // published, or taken
	refused  uint64 // by the Reason Code of PUBACK or PUBREC
	closed   uint64 // times that the broker ended the connection
}

const (
	// slowTick is how often one has its turn.
	slowTick = 20 * time.Millisecond
	// slowReadBuffer has the broker notice that a Subscriber is slow: what the
	// kernel takes in its place is as much as a broker may keep.
	slowReadBuffer = 64 << 10
	// slowQuota is how many messages a Publisher leaves without acknowledgment,
	// whatever the broker's Receive Maximum.
	slowQuota = 1000
)

// connect connects, and subscribes if that is what it is for.
func (s *slowClient) connect(ctx context.Context) error {
	c, err := s.dialer.dial(ctx, s.id, s.dialer.cleanStart())
	if err != nil {
		return err
	}
	if s.subscriber {
		if err := c.nc.SetReadBuffer(slowReadBuffer); err != nil {
			c.close()
			return err
		}
		if err := c.subscribe(ctx, s.topic, s.dialer.config.QoS); err != nil {
			c.close()
			return err
		}
	}
	s.client, s.out, s.outstanding = c, nil, 0
	return nil
}

func (s *slowClient) close() {
	if s.client != nil {
		s.client.close()
	}
}

// run goes on until ctx ends. Whoever is cut off comes back with the next turn.
// A turn that begins late is as long as any, and those that were missed are not
// made up for: pace does that, as far as it should be.
func (s *slowClient) run(ctx context.Context) {
	wait := time.Duration(0)
	for pause(ctx, wait) == nil {
		began := time.Now()
		if s.client == nil {
			_ = s.connect(ctx) // else with the turn after
		} else if err := s.turn(began.Add(slowTick)); err != nil {
			s.cutOff(err)
		}
		wait = slowTick - time.Since(began)
	}
}

// cutOff ends a connection for what went wrong on it.
func (s *slowClient) cutOff(err error) {
	// Where the broker has taken nothing for too long it was this Client that
	// gave up.
	if !isTimeout(err) {
		s.closed++
	}
	s.client.close()
	s.client = nil
}

// turn publishes what is due and takes acknowledgments until end, or takes the
// messages that are due and acknowledges them.
func (s *slowClient) turn(end time.Time) error {
	now := time.Now()
	if err := s.client.nc.SetWriteDeadline(now.Add(s.dialer.config.Patience)); err != nil {
		return err
	}
	if err := s.client.nc.SetReadDeadline(end); err != nil {
		return err
	}
	due := s.pace.take(now)
	if !s.subscriber {
		published := uint64(0)
		for ; due > 0 && s.mayPublish(); due-- {
			s.publish()
			published++
		}
		if err := s.send(); err != nil {
			return err
		}
		s.messages += published
		due = 1 // packets are taken as long as they come
	}
	for due > 0 {
		f, err := s.client.next()
		if isTimeout(err) {
			break
		}
		if err != nil {
			return err
		}
		if s.packet(f) && s.subscriber {
			due--
		}
	}
	return s.send()
}

// mayPublish reports whether the broker's Receive Maximum allows for another
// message.
func (s *slowClient) mayPublish() bool {
	return s.dialer.config.QoS == codec.QoS0 || s.outstanding < min(s.client.receiveMaximum, slowQuota)
}

func (s *slowClient) publish() {
	c := &s.dialer.config
	m := codec.Publish{TopicName: []byte(s.topic), QoS: c.QoS, Payload: make([]byte, c.Size)}
	if c.QoS > codec.QoS0 {
		if s.packetID++; s.packetID == 0 {
			s.packetID = 1
		}
		m.PacketID = s.packetID
		s.outstanding++
	}
	s.out = codec.AppendPublish(s.out, c.Version, &m)
}

// packet takes a packet, and reports whether it is a message.
func (s *slowClient) packet(f codec.Frame) bool {
	var id codec.PacketID
	if len(f.Body) >= 2 {
		id = codec.PacketID(binary.BigEndian.Uint16(f.Body))
	}
	switch f.Type {
	case codec.TypePublish:
		s.messages++
		s.accept(f)
		return true
	case codec.TypePubrec:
		if !s.refusal(f) {
			s.answer(codec.TypePubrel, id)
		}
	case codec.TypePubrel:
		s.answer(codec.TypePubcomp, id)
	case codec.TypePuback, codec.TypePubcomp:
		if !s.refusal(f) {
			s.outstanding--
		}
	}
	return false
}

// refusal counts an acknowledgment that says no.
func (s *slowClient) refusal(f codec.Frame) bool {
	if len(f.Body) < 3 || !codec.ReasonCode(f.Body[2]).IsError() {
		return false
	}
	s.outstanding--
	s.refused++
	return true
}

// accept acknowledges a message.
func (s *slowClient) accept(f codec.Frame) {
	body := f.Body
	qos := codec.QoS(f.Flags >> 1 & 3)
	if qos == codec.QoS0 || !cutString(&body) || len(body) < 2 {
		return
	}
	s.answer(acceptance(qos), codec.PacketID(binary.BigEndian.Uint16(body)))
}

func (s *slowClient) answer(t codec.PacketType, id codec.PacketID) {
	s.out = codec.AppendAck(s.out, s.dialer.config.Version, t, id, codec.Success)
}

// send sends what is to be sent.
func (s *slowClient) send() error {
	if len(s.out) == 0 {
		return nil
	}
	err := s.client.send(s.out)
	s.out = s.out[:0]
	return err
}

// pace allows so many a second. What was not used is not made up for, but for
// that of a tenth of a second.
type pace struct {
	rate   float64
	credit float64
	last   time.Time
}

// take returns how many are allowed since the last call.
func (p *pace) take(now time.Time) int {
	if !p.last.IsZero() {
		p.credit = min(p.credit+p.rate*now.Sub(p.last).Seconds(), max(p.rate/10, 1))
	}
	p.last = now
	n := int(p.credit)
	p.credit -= float64(n)
	return n
}
