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

	"github.com/weirmq/weir/bench"
)

// overhead bounds what one measurement takes beside its duration: to connect,
// again and again in a Storm, and to wait for what is late.
const overhead = 2 * time.Minute

// check reports whether the numbers that a row needs are there, and what they
// say of themselves.
func check(m *bench.Result, row *Row) error {
	switch {
	case m.Operations == 0:
		return errors.New("weir bench counted nothing at all")
	case m.Server == nil:
		return errors.New("weir bench did not measure the process")
	case row.Kind == Latency && m.Latency == nil, row.Kind.once() && (m.Latency == nil || m.Before == nil):
		return errors.New("weir bench did not measure latency")
	case row.Kind == Storm && len(m.Storms) == 0:
		return errors.New("weir bench made no storm")
	case row.Kind == Overload && m.Overload == nil:
		return errors.New("weir bench made no overload")
	case row.resumes() && m.Resumed < m.Operations*9/10:
		return fmt.Errorf("only %d of %d handshakes resumed a session", m.Resumed, m.Operations)
	}
	return nil
}

// Result is what became of a row.
type Result struct {
	Row Row
	// Measured is by the name of the Peer, in the order of the turns.
	Measured map[string][]bench.Result
	// Disturbed are turns that were made again, and count for nothing but what
	// went wrong in them.
	Disturbed map[string][]bench.Result
	// Failed is why a Peer has fewer numbers than there were rounds, by its
	// name: the last of the reasons.
	Failed map[string]error
	// Spent is by the name of the Peer as well, over all rounds.
	Spent map[string]Spent
}

// Spent is the CPU time of a Peer's processes from start to end, and how much of
// it collected garbage.
type Spent struct{ CPU, GC time.Duration }

// Runner measures rows.
type Runner struct {
	Weir     string            // the program, which generates the load too
	Programs map[string]string // of each Peer, by name
	Dir      string            // for all files, absolute
	Keys     Keys
	Rounds   int
	Duration time.Duration // of each measurement
	Warmup   time.Duration
	// Patience is the time that may go, over all rows, into making disturbed
	// turns again. Run takes from it.
	Patience time.Duration
	// Log is told what is being done.
	Log func(format string, args ...any)
}

// Run measures a row: it starts those of the peers that serve it, measures them
// in turns, and stops them. The error is that of ctx alone.
func (r *Runner) Run(ctx context.Context, row Row, peers []*Peer) (*Result, error) {
	result := &Result{
		Row: row, Measured: make(map[string][]bench.Result), Disturbed: make(map[string][]bench.Result),
		Failed: make(map[string]error), Spent: make(map[string]Spent),
	}
	running := make(map[string]*Running)
	defer func() {
		for _, p := range running {
			r.stop(p, result)
		}
	}()
	rounds := r.Rounds
	if row.Kind.once() {
		rounds = 1
	}
	for round := range rounds {
		for _, p := range peers {
			if !row.Serves(p) {
				continue
			}
			m, err := r.quietTurn(ctx, result, p, running)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				result.Failed[p.Name] = fmt.Errorf("round %d: %w", round+1, err)
				r.Log("  %-12s %v", p.Name, result.Failed[p.Name])
			default:
				result.Measured[p.Name] = append(result.Measured[p.Name], m)
				r.Log("  %-12s %s, %.0f %% stolen", p.Name, format(row.Kind.value(&m)), 100*m.Stolen)
			}
		}
	}
	return result, nil
}

// What decides whether a turn is made again is not its outcome.
const (
	// mostStolen is the share of the processors' time that may be stolen.
	mostStolen = 0.05
	// mostTries is how many a turn has.
	mostTries = 4
)

// quietTurn makes a turn again while it was disturbed and there is Patience. If
// none was quiet it returns the one that was disturbed least.
func (r *Runner) quietTurn(ctx context.Context, result *Result, p *Peer, running map[string]*Running) (best bench.Result, err error) {
	for tries := 1; ; tries++ {
		began := time.Now()
		m, err := r.turn(ctx, result, p, running)
		if err != nil {
			return m, err
		}
		if tries == 1 {
			best = m
		} else {
			r.Patience -= time.Since(began)
			worse := m
			if m.Stolen < best.Stolen {
				best, worse = m, best
			}
			result.Disturbed[p.Name] = append(result.Disturbed[p.Name], worse)
		}
		// Memory is what it is, and while nothing happens any wakeup is late.
		if best.Stolen <= mostStolen || result.Row.Kind == PerConnection || tries == mostTries || r.Patience <= 0 {
			return best, nil
		}
		r.Log("  %-12s %.0f %% of the time was stolen: once more", p.Name, 100*m.Stolen)
	}
}

// turn measures a Peer once. It starts the Peer unless it is among those that
// run already, and leaves it there, with two exceptions: after a failure, and
// where memory is measured, because what a process has taken once it does not
// take again.
func (r *Runner) turn(ctx context.Context, result *Result, p *Peer, running map[string]*Running) (m bench.Result, err error) {
	row := &result.Row
	process := running[p.Name]
	if process == nil {
		dir, err := os.MkdirTemp(r.Dir, p.Name+"-")
		if err != nil {
			return m, err
		}
		if process, err = Start(ctx, p, r.Programs[p.Program()], Site{Dir: dir, Door: row.Door, Keys: r.Keys, Bounded: row.Kind == Overload}); err != nil {
			return m, err
		}
		running[p.Name] = process
	}
	m, err = r.measure(ctx, row, process)
	if err != nil || row.Kind.ofMemory() {
		delete(running, p.Name)
		r.stop(process, result)
	}
	return m, err
}

// stop ends a Peer's process and adds up what it has spent.
func (r *Runner) stop(p *Running, result *Result) {
	p.Stop()
	cpu, gc, err := p.Spent()
	if err != nil {
		r.Log("  %-12s %v", p.Peer.Name, err)
		return
	}
	s := result.Spent[p.Peer.Name]
	result.Spent[p.Peer.Name] = Spent{s.CPU + cpu, s.GC + gc}
}

// settling is how long nobody must have asked for anything before memory is read.
// A broker may put off what it does to give memory back, as Weir does.
const settling = 3 * time.Second

// length is how long a row of this kind is measured: those that are measured
// once for longer than the others in all rounds together, because what fills
// and empties needs its time.
func (r *Runner) length(k Kind) time.Duration {
	switch k {
	case Overload:
		return 6 * time.Duration(r.Rounds) * r.Duration
	case PerConnection, Storm: // one, of many
		return max(r.Duration, settling)
	}
	return r.Duration
}

// warmup is what precedes it.
func (r *Runner) warmup(k Kind) time.Duration {
	if k == PerConnection {
		return max(r.Warmup, settling)
	}
	return r.Warmup
}

// benchArgs returns the arguments of weir bench for one measurement.
func (r *Runner) benchArgs(row *Row, url string, pid int) []string {
	args := append([]string{"bench"}, row.Bench...)
	args = append(args, "--broker", url, "--pid", strconv.Itoa(pid),
		"--mqtt", "3.1.1", "--warmup", r.warmup(row.Kind).String(), "--duration", r.length(row.Kind).String(), "--json")
	if row.Kind != PerConnection {
		args = append(args, "--quiet")
	}
	if row.Kind == Storm {
		args = append(args, "--storms", strconv.Itoa(r.storms()))
	}
	if row.Door != Plain {
		args = append(args, "--cafile", r.Keys.ServerCA)
	}
	if row.Door == MutualTLS {
		args = append(args, "--cert", r.Keys.ClientCert, "--key", r.Keys.ClientKey)
	}
	return args
}

// storms is how many a Storm has.
func (r *Runner) storms() int { return 2 * r.Rounds }

// limit is how long weir bench may take for a row of this kind.
func (r *Runner) limit(k Kind) time.Duration {
	measured := r.length(k)
	if k == Storm {
		measured *= time.Duration(r.storms()) // the least time that each takes
	}
	return r.warmup(k) + measured + overhead
}

// measure runs weir bench once.
func (r *Runner) measure(ctx context.Context, row *Row, p *Running) (m bench.Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.limit(row.Kind))
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
	return m, check(&m, row)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func growth(now, before uint64) float64 { return float64(now) / float64(max(before, 1)) }

// value returns the number that a kind of row is about.
func (k Kind) value(m *bench.Result) float64 {
	switch k {
	case PerConnection:
		return m.Server.RSSPerOperation / 1024
	case Latency:
		return milliseconds(m.Latency.P99)
	case Storm:
		return growth(m.Server.RSS, m.Server.RSSBefore)
	case Overload:
		return growth(m.Server.PeakRSS, m.Server.RSSBefore)
	default:
		return m.Server.CPUPerOperation
	}
}
