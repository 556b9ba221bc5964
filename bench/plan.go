package bench

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/weirmq/weir/codec"
)

// plan is who publishes what and who receives it: all that differs between the
// scenarios with traffic.
type plan struct {
	topics     []topic
	publishers [][]uint32 // the topics of each, published in turn
	filters    []string   // the Topic Filter of each Subscriber
	fan        int        // Subscribers that receive a message, the same for each
	flows      int        // pairs of a topic and a Subscriber that receives it
}

// topic is one Topic Name.
type topic struct {
	name      string
	publisher int32
	// receivers are the Subscribers, in ascending order; nil: all of them.
	receivers []int32
	// flows is the index of the first receiver's flow; the others' follow.
	flows int
	// sent is the number of messages so far, and the sequence of the next.
	sent uint64
	// head is a whole PUBLISH but for its Payload; packetID is where the
	// Packet Identifier stands in it, if it has one.
	head     []byte
	packetID int
}

// newPlan lays out the Clients of c.
func newPlan(c *Config) *plan {
	p := &plan{publishers: make([][]uint32, c.Publishers), fan: 1}
	switch c.Scenario {
	case FanIn, FanOut:
		p.fan = c.Subscribers
		for i := range c.Publishers {
			p.add(fmt.Sprintf("%s/%d", c.TopicPrefix, i), i, nil)
		}
		for range c.Subscribers {
			p.filters = append(p.filters, c.TopicPrefix+"/+")
		}
	case Wild:
		p.grid(c)
	default:
		for i := range c.Publishers {
			name := fmt.Sprintf("%s/%d", c.TopicPrefix, i)
			p.add(name, i, []int32{int32(i)})
			p.filters = append(p.filters, name)
		}
	}
	if c.Scenario == FanOut && c.Publishers == 1 {
		for i := range p.filters {
			p.filters[i] = p.topics[0].name
		}
	}
	for i := range p.topics {
		p.topics[i].flows = p.flows
		p.flows += p.fan
		p.topics[i].encode(c)
	}
	return p
}

// grid lays out Wild: topics in rows and columns, of which each Subscriber
// takes one.
func (p *plan) grid(c *Config) {
	rows := c.Subscribers / 2
	columns := c.Subscribers - rows
	p.fan = 2
	for i := range c.Topics {
		row, column := i%rows, i/rows%columns
		p.add(fmt.Sprintf("%s/%d/%d/%d", c.TopicPrefix, row, column, i), i%c.Publishers,
			[]int32{int32(row), int32(rows + column)})
	}
	for row := range rows {
		p.filters = append(p.filters, fmt.Sprintf("%s/%d/#", c.TopicPrefix, row))
	}
	for column := range columns {
		p.filters = append(p.filters, fmt.Sprintf("%s/+/%d/+", c.TopicPrefix, column))
	}
}

func (p *plan) add(name string, publisher int, receivers []int32) {
	p.publishers[publisher] = append(p.publishers[publisher], uint32(len(p.topics)))
	p.topics = append(p.topics, topic{name: name, publisher: int32(publisher), receivers: receivers})
}

// flow returns the index of the flow from t to a Subscriber, or false if the
// Subscriber should not have received it.
func (t *topic) flow(subscriber int32) (int, bool) {
	if t.receivers == nil {
		return t.flows + int(subscriber), true
	}
	i := slices.Index(t.receivers, subscriber)
	return t.flows + i, i >= 0
}

// encode prepares head.
func (t *topic) encode(c *Config) {
	message := codec.Publish{TopicName: []byte(t.name), QoS: c.QoS, Payload: make([]byte, c.Size)}
	packet := codec.AppendPublish(nil, c.Version, &message)
	if c.QoS > codec.QoS0 {
		t.packetID = codec.PacketIDOffset(packet)
	}
	t.head = slices.Clip(slices.Clone(packet[:len(packet)-c.Size]))
}

// append appends message number t.sent to dst, with the Payload's padding.
func (t *topic) append(dst []byte, id codec.PacketID, h *header, padding []byte) []byte {
	at := len(dst)
	dst = append(dst, t.head...)
	if t.packetID > 0 {
		binary.BigEndian.PutUint16(dst[at+t.packetID:], uint16(id))
	}
	at = len(dst)
	dst = append(dst, padding...)
	h.put(dst[at:])
	return dst
}
