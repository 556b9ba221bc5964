package bench

import (
	"net"
	"testing"
	"time"

	"github.com/weirmq/weir/codec"
)

// deafBroker returns a connection to somebody who never reads.
func deafBroker(t *testing.T) *net.TCPConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc.(*net.TCPConn)
}

// What a broker does not take in time was not published, and it was not the
// broker that ended the connection.
func TestSlowPublisherThatGivesUpIsNotCutOff(t *testing.T) {
	d := &dialer{config: Config{Version: codec.V5, Size: 64 << 20, Patience: time.Millisecond}}
	s := &slowClient{dialer: d, topic: "a", pace: pace{rate: 1, credit: 1}, client: &client{dialer: d, nc: deafBroker(t)}}
	err := s.turn(time.Now())
	if !isTimeout(err) {
		t.Fatalf("%v, want a time-out", err)
	}
	s.cutOff(err)
	if s.messages != 0 || s.closed != 0 || s.client != nil {
		t.Errorf("%d published and %d ended by the broker, want none; the connection is %v", s.messages, s.closed, s.client)
	}
}

func TestPaceMakesUpForATenthOfASecondAndNoMore(t *testing.T) {
	p := pace{rate: 100}
	now := time.Unix(1, 0)
	for _, row := range []struct {
		after time.Duration
		want  int
	}{
		{0, 0},
		{15 * time.Millisecond, 1},
		{15 * time.Millisecond, 2}, // with the half that was left
		{time.Minute, 10},
		{0, 0},
		{100 * time.Millisecond, 10},
	} {
		now = now.Add(row.after)
		if got := p.take(now); got != row.want {
			t.Errorf("after %v: %d, want %d", row.after, got, row.want)
		}
	}
	rare := pace{rate: 2}
	total := 0
	for i := range 100 {
		total += rare.take(now.Add(time.Duration(i) * slowTick))
	}
	if total != 3 { // of 1.98 s
		t.Errorf("%d in 1.98 s at 2 a second, want 3", total)
	}
}
