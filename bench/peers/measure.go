package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Bounds of one measurement beside its duration: to connect and to wait for
// what is late.
const overhead = 60 * time.Second

// Measurement is what the report needs of weir bench --json.
type Measurement struct {
	Latency *struct {
		P50  time.Duration `json:"p50"`
		P99  time.Duration `json:"p99"`
		P999 time.Duration `json:"p999"`
	} `json:"latency"`
	Messages struct {
		Lost           uint64 `json:"lost"`
		Duplicates     uint64 `json:"duplicates"`
		Reordered      uint64 `json:"reordered"`
		Refused        uint64 `json:"refused"`
		Unacknowledged uint64 `json:"unacknowledged"`
		Foreign        uint64 `json:"foreign"`
		Stalls         uint64 `json:"stalls"`
	} `json:"messages"`
	Operations uint64 `json:"operations"`
	Failures   uint64 `json:"failures"`
	Server     *struct {
		CPUPerOperation float64 `json:"cpuPerOperation"` // microseconds
		RSSPerOperation float64 `json:"rssPerOperation"` // bytes
	} `json:"server"`
}

// check reports whether the numbers that a row of this kind needs are there.
func (m *Measurement) check(k Kind) error {
	switch {
	case m.Operations == 0:
		return errors.New("weir bench counted nothing at all")
	case m.Server == nil:
		return errors.New("weir bench did not measure the process")
	case k == Latency && m.Latency == nil:
		return errors.New("weir bench did not measure latency")
	}
	return nil
}

// Result is what became of a row.
type Result struct {
	Row Row
	// Measured is by the name of the Peer, in the order of the turns.
	Measured map[string][]Measurement
	// Failed is why a Peer has fewer numbers than there were rounds, by its
	// name: the last of the reasons.
	Failed map[string]error
}

// Runner measures rows.
type Runner struct {
	Weir     string            // the program, which generates the load too
	Programs map[string]string // of each Peer, by name
	Dir      string            // for all files, absolute
	Keys     Keys
	Rounds   int
	Duration time.Duration // of each measurement
	Warmup   time.Duration
	// Log is told what is being done.
	Log func(format string, args ...any)
}

// Run measures a row: it starts those of the peers that serve it, measures them
// in turns, and stops them. The error is that of ctx alone.
func (r *Runner) Run(ctx context.Context, row Row, peers []*Peer) (*Result, error) {
	result := &Result{Row: row, Measured: make(map[string][]Measurement), Failed: make(map[string]error)}
	running := make(map[string]*Running)
	defer func() {
		for _, p := range running {
			p.Stop()
		}
	}()
	for round := range r.Rounds {
		for _, p := range peers {
			if !row.Serves(p) {
				continue
			}
			m, err := r.turn(ctx, &row, p, running)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				result.Failed[p.Name] = fmt.Errorf("round %d: %w", round+1, err)
				r.Log("  %-12s %v", p.Name, result.Failed[p.Name])
			default:
				result.Measured[p.Name] = append(result.Measured[p.Name], m)
				r.Log("  %-12s %s", p.Name, format(row.Kind.value(&m)))
			}
		}
	}
	return result, nil
}

// turn measures a Peer once. It starts the Peer unless it is among those that
// run already, and leaves it there, with two exceptions: after a failure, and
// where memory is measured, because what a process has taken once it does not
// take again.
func (r *Runner) turn(ctx context.Context, row *Row, p *Peer, running map[string]*Running) (m Measurement, err error) {
	process := running[p.Name]
	if process == nil {
		dir, err := os.MkdirTemp(r.Dir, p.Name+"-")
		if err != nil {
			return m, err
		}
		if process, err = Start(ctx, p, r.Programs[p.Name], dir, row.Door, r.Keys); err != nil {
			return m, err
		}
		running[p.Name] = process
	}
	m, err = r.measure(ctx, row, process)
	if err != nil || row.Kind == PerConnection {
		delete(running, p.Name)
		process.Stop()
	}
	return m, err
}

// benchArgs returns the arguments of weir bench for one measurement.
func (r *Runner) benchArgs(row *Row, url string, pid int) []string {
	args := append([]string{"bench"}, row.Bench...)
	args = append(args, "--broker", url, "--pid", strconv.Itoa(pid),
		"--mqtt", "3.1.1", "--duration", r.Duration.String(), "--json")
	if row.Kind != PerConnection {
		args = append(args, "--warmup", r.Warmup.String(), "--quiet")
	}
	if row.Door != Plain {
		args = append(args, "--cafile", r.Keys.ServerCA)
	}
	if row.Door == MutualTLS {
		args = append(args, "--cert", r.Keys.ClientCert, "--key", r.Keys.ClientKey)
	}
	return args
}

// measure runs weir bench once.
func (r *Runner) measure(ctx context.Context, row *Row, p *Running) (m Measurement, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Warmup+r.Duration+overhead)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, r.Weir, r.benchArgs(row, p.URL(), p.PID())...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return m, fmt.Errorf("weir bench: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	if err := json.Unmarshal(stdout.Bytes(), &m); err != nil {
		return m, fmt.Errorf("weir bench --json: %w", err)
	}
	return m, m.check(row.Kind)
}

// value returns the number that a kind of row is about.
func (k Kind) value(m *Measurement) float64 {
	switch k {
	case PerConnection:
		return m.Server.RSSPerOperation / 1024
	case Latency:
		return float64(m.Latency.P99) / float64(time.Millisecond)
	default:
		return m.Server.CPUPerOperation
	}
}
