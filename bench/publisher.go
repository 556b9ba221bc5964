package bench

import (
	"encoding/binary"
	"fmt"

	"github.com/weirmq/weir/codec"
)

// publisher is a Client that publishes.
type publisher struct {
	traffic *traffic
	index   int
	conn    *conn
	topics  []uint32
	turn    int // of topics: whose message is next

	outstanding int // deliveries that are to come
	due         int // open loop: messages whose time has come
	sent        int // open loop: of those, and before

	// ids are the Packet Identifiers that are free, as many as may be
	// unacknowledged; states is what is awaited for each of the others.
	ids    []codec.PacketID
	states []codec.PacketType
	quota  int // all of them

	ready  bool // on the traffic's list of those that may publish
	before int  // deliveries when it was last looked at
	after  int  // deliveries so far
	idle   int  // looks at which there were none
}

func (p *publisher) String() string { return p.traffic.dialer.clientID('p', p.index) }

// maxUnsent is how many bytes an open loop leaves to a connection that is slow;
// what is due beyond that waits as a number.
const maxUnsent = 1 << 20

// setQuota makes n Packet Identifiers, from 1.
func (p *publisher) setQuota(n int) {
	p.quota = n
	p.states = make([]codec.PacketType, n+1)
	for id := n; id > 0; id-- {
		p.ids = append(p.ids, codec.PacketID(id))
	}
}

// wake puts p on the list of those that may be able to publish.
func (p *publisher) wake() {
	if !p.ready {
		p.ready = true
		p.traffic.ready = append(p.traffic.ready, p)
	}
}

// credit notes that n deliveries have been made, or will not be.
func (p *publisher) credit(n int) {
	p.outstanding = max(p.outstanding-n, 0)
	p.wake()
}

// refill publishes what may be published now.
func (p *publisher) refill() {
	t := p.traffic
	if t.open() {
		for p.due > 0 && p.mayTakeID() && p.conn.unsent() < maxUnsent {
			p.due--
			t.backlog--
			p.publish(t.intended(p))
			p.sent++
		}
		return
	}
	fan := t.plan.fan
	for (p.outstanding+fan-1)/fan < t.config.Window && p.mayTakeID() {
		p.publish(t.now)
	}
}

func (p *publisher) mayTakeID() bool { return p.quota == 0 || len(p.ids) > 0 }

// publish appends the next message, stamped with when it was to be sent.
func (p *publisher) publish(at int64) {
	t := p.traffic
	index := p.topics[p.turn]
	if p.turn++; p.turn == len(p.topics) {
		p.turn = 0
	}
	topic := &t.plan.topics[index]
	var id codec.PacketID
	if p.quota > 0 {
		id = p.ids[len(p.ids)-1]
		p.ids = p.ids[:len(p.ids)-1]
		p.states[id] = codec.TypePuback
		if t.config.QoS == codec.QoS2 {
			p.states[id] = codec.TypePubrec
		}
		t.unacknowledged++
	}
	h := header{run: t.run, topic: index, sequence: topic.sent, sent: at}
	p.conn.out = topic.append(p.conn.out, id, &h, t.padding)
	topic.sent++
	p.outstanding += t.plan.fan
	t.sent++
	p.conn.touch()
}

// packet implements handler.
func (p *publisher) packet(f codec.Frame) error {
	switch f.Type {
	case codec.TypePuback, codec.TypePubrec, codec.TypePubcomp:
		return p.acknowledged(f)
	case codec.TypeDisconnect:
		return disconnected(f)
	}
	return &PacketError{f.Type, "a Publisher has no use for it"}
}

// acknowledged takes the acknowledgement of a message.
func (p *publisher) acknowledged(f codec.Frame) error {
	if len(f.Body) < 2 {
		return &PacketError{f.Type, "it has no Packet Identifier"}
	}
	id := codec.PacketID(binary.BigEndian.Uint16(f.Body))
	if int(id) >= len(p.states) || p.states[id] != f.Type {
		return &PacketError{f.Type, fmt.Sprintf("no message with Packet Identifier %d waits for it", id)}
	}
	refused := len(f.Body) > 2 && codec.ReasonCode(f.Body[2]).IsError()
	if f.Type == codec.TypePubrec && !refused {
		p.states[id] = codec.TypePubcomp
		p.conn.out = codec.AppendAck(p.conn.out, p.traffic.config.Version, codec.TypePubrel, id, codec.Success)
		p.conn.touch()
		return nil
	}
	p.states[id] = 0
	p.ids = append(p.ids, id)
	p.traffic.unacknowledged--
	if refused {
		p.traffic.refuse(codec.ReasonCode(f.Body[2]))
		p.credit(p.traffic.plan.fan) // nobody will receive it
	}
	p.wake()
	return nil
}

// disconnected turns the broker's DISCONNECT into an error.
func disconnected(f codec.Frame) error {
	var d codec.Disconnect
	if err := codec.DecodeDisconnectFromServer(&d, f.Body); err != nil {
		return fmt.Errorf("DISCONNECT: %w", err)
	}
	return &RefusedError{f.Type, d.ReasonCode}
}
