package wheel_test

import (
	"fmt"
	"time"

	"github.com/weirmq/weir/engine/internal/wheel"
)

// A session has two timers, and a type for each to say which one fired. The
// types have the session's own layout, so the conversions cost nothing.
type session struct {
	name      string
	willDelay wheel.Timer
	expiry    wheel.Timer
}

type sessionWillDelay session
type sessionExpiry session

func (s *sessionWillDelay) Fire(int64) { fmt.Println(s.name, "publishes its Will") }
func (s *sessionExpiry) Fire(int64)    { fmt.Println(s.name, "ends") }

func Example() {
	s := &session{name: "thermostat"}
	s.willDelay.Init((*sessionWillDelay)(s))
	s.expiry.Init((*sessionExpiry)(s))

	var timers wheel.Wheel
	timers.Set(&s.willDelay, int64(5*time.Second))
	timers.Set(&s.expiry, int64(time.Hour))

	for timers.Len() > 0 {
		next, _ := timers.Next() // the loop sleeps until then
		timers.Advance(next)
	}
	// Output:
	// thermostat publishes its Will
	// thermostat ends
}
