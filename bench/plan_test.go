package bench

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weirmq/weir/codec"
	"github.com/weirmq/weir/topics"
)

// TestPlanKnowsWhoReceivesWhat compares what a plan says of each topic with
// which of the Topic Filters match it.
func TestPlanKnowsWhoReceivesWhat(t *testing.T) {
	for _, c := range []Config{
		{Scenario: Pairs, Publishers: 7, Subscribers: 7},
		{Scenario: FanIn, Publishers: 9, Subscribers: 2},
		{Scenario: FanOut, Publishers: 1, Subscribers: 20},
		{Scenario: FanOut, Publishers: 3, Subscribers: 5},
		{Scenario: Wild, Publishers: 5, Subscribers: 20, Topics: 300},
		{Scenario: Wild, Publishers: 4, Subscribers: 3, Topics: 4},
		{Scenario: Wild, Publishers: 1, Subscribers: 2, Topics: 10},
		{Scenario: Latency, Publishers: 2, Subscribers: 2},
	} {
		t.Run(fmt.Sprintf("%s/%d-%d-%d", c.Scenario, c.Publishers, c.Subscribers, c.Topics), func(t *testing.T) {
			c.Broker = "localhost"
			c, err := c.WithDefaults()
			if err != nil {
				t.Fatal(err)
			}
			p := newPlan(&c)
			if len(p.filters) != c.Subscribers || len(p.publishers) != c.Publishers {
				t.Fatalf("%d filters and %d publishers", len(p.filters), len(p.publishers))
			}
			flows := make(map[int]bool)
			names := make(map[string]bool)
			for i := range p.topics {
				topic := &p.topics[i]
				if names[topic.name] {
					t.Errorf("%s is there twice", topic.name)
				}
				names[topic.name] = true
				if !slices.Contains(p.publishers[topic.publisher], uint32(i)) {
					t.Errorf("%s: its Publisher does not know", topic.name)
				}
				receivers := 0
				for s, filter := range p.filters {
					flow, ok := topic.flow(int32(s))
					if want := topics.Match(filter, topic.name); ok != want {
						t.Errorf("%s: Subscriber %d with %s: %v, want %v", topic.name, s, filter, ok, want)
					}
					if !ok {
						continue
					}
					if receivers++; flows[flow] || flow >= p.flows {
						t.Errorf("%s: flow %d of %d is there twice", topic.name, flow, p.flows)
					}
					flows[flow] = true
				}
				if receivers != p.fan {
					t.Errorf("%s has %d receivers, want %d", topic.name, receivers, p.fan)
				}
			}
		})
	}
}

func TestTopicAppendsWhatTheCodecReads(t *testing.T) {
	for _, version := range []codec.Version{codec.V5, codec.V311} {
		for qos := range codec.QoS(3) {
			c, err := Config{Broker: "localhost", Version: version, QoS: qos, Size: 200}.WithDefaults()
			if err != nil {
				t.Fatal(err)
			}
			topic := &newPlan(&c).topics[3]
			want := header{run: 1, topic: 3, sequence: 1 << 40, sent: 1<<62 + 7}
			packet := topic.append(nil, 0x1234, &want, make([]byte, c.Size))
			f, size, err := codec.ReadFrame(packet, 0)
			if err != nil || size != len(packet) {
				t.Fatalf("a frame of %d bytes, %v; want %d", size, err, len(packet))
			}
			var p codec.Publish
			if err := codec.DecodePublish(&p, version, f.Flags, f.Body); err != nil {
				t.Fatal(err)
			}
			wantID := codec.PacketID(0)
			if qos > codec.QoS0 {
				wantID = 0x1234
			}
			var got header
			if !got.read(p.Payload) || got != want || len(p.Payload) != c.Size || p.QoS != qos || p.PacketID != wantID || string(p.TopicName) != "bench/3" {
				t.Errorf("version %v, QoS %d: read %+v with %+v", version, qos, p, got)
			}
		}
	}
}
