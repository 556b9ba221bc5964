//go:build linux

package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"strings"

	"github.com/weirmq/weir/bench"
	"github.com/weirmq/weir/codec"
)

// beTraffic sends and receives messages from when it is told to begin until they
// are over, and says how long they took when it is told to end.
func beTraffic([]byte) (func(string) (any, error), error) {
	// What collects garbage would be before others as well, and there is next to
	// none.
	debug.SetGCPercent(-1)
	var ended chan outcome
	return func(line string) (any, error) {
		if text, ok := strings.CutPrefix(line, "begin "); ok {
			var t traffic
			if err := json.Unmarshal([]byte(text), &t); err != nil {
				return nil, err
			}
			ended = make(chan outcome, 1)
			go func() {
				r, err := bench.Run(context.Background(), bench.Config{
					Scenario: bench.Latency, Broker: "mqtt://" + t.Address, TopicPrefix: t.Name, QoS: codec.QoS1,
					Rate: 2000, Warmup: warmup, Duration: phaseLength,
				})
				ended <- outcome{r, err}
			}()
			return nil, nil
		}
		if ended == nil {
			return nil, errors.New("there is nothing to end")
		}
		o := <-ended
		return o.result, o.err
	}, nil
}

// traffic is some of it.
type traffic struct {
	Name    string
	Address string
}

type outcome struct {
	result *bench.Result
	err    error
}
