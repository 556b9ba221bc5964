// Command bench-peers measures Weir beside other brokers and writes
// docs/benchmarks.md. make bench-peers runs it where it expects to be: in the
// directory of its module, with bin/weir built.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/weirmq/weir/bench/peers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := parse().run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-peers:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	root             string
	rows, peers      string
	micro            string
	rounds           int
	duration, warmup time.Duration
	patience         time.Duration
	microTime        time.Duration
	out              string
}

// usual is what is measured where no flag says otherwise.
var usual = options{
	root: "../..", rows: ".", peers: ".", micro: ".",
	rounds: 5, duration: 2 * time.Second, warmup: 500 * time.Millisecond, patience: 20 * time.Minute, microTime: 100 * time.Millisecond,
}

// enough is how long the measurements of a document must be.
const enough = time.Second

func parse() *options {
	o := usual
	flag.StringVar(&o.root, "root", o.root, "the `directory` of Weir's source, with bin/weir")
	flag.StringVar(&o.rows, "rows", o.rows, "measure the rows whose name matches this `regexp`")
	flag.StringVar(&o.peers, "peers", o.peers, "measure the brokers whose name matches this `regexp`")
	flag.StringVar(&o.micro, "micro", o.micro, "run the microbenchmarks that match this `regexp`, as go test -bench takes it; none if empty")
	flag.IntVar(&o.rounds, "rounds", o.rounds, "the `number` of times that each broker has its turn")
	flag.DurationVar(&o.duration, "duration", o.duration, "the `time` of each measurement")
	flag.DurationVar(&o.warmup, "warmup", o.warmup, "the `time` before each measurement")
	flag.DurationVar(&o.patience, "patience", o.patience, "the `time` that may go into making turns again in which the processors were others' for too long; 0: none")
	flag.DurationVar(&o.microTime, "microtime", o.microTime, "the `time` of each run of a microbenchmark")
	flag.StringVar(&o.out, "o", "", "the `file` to write (default: docs/benchmarks.md for everything, five times or more, for a second or longer, with the usual -warmup and -microtime; standard output for less)")
	flag.Parse()
	return &o
}

func (o *options) run(ctx context.Context) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("%q: there are flags only; -h lists them", flag.Arg(0))
	}
	if o.rounds < 1 {
		return fmt.Errorf("-rounds %d: want 1 or more", o.rounds)
	}
	began := time.Now()
	rows, chosen, err := o.choose()
	if err != nil {
		return err
	}
	root, err := filepath.Abs(o.root)
	if err != nil {
		return err
	}
	// Programs that Go starts get the limit as it was, unless it was set.
	if err := raiseDescriptorLimit(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-peers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	programs, err := build(ctx, root, dir, chosen)
	if err != nil {
		return err
	}
	runner := &peers.Runner{
		Weir: filepath.Join(root, "bin", "weir"), Programs: programs, Dir: dir,
		Rounds: o.rounds, Duration: o.duration, Warmup: o.warmup, Patience: o.patience, Log: logf,
	}
	if runner.Keys, err = peers.MakeKeys(ctx, runner.Weir, dir); err != nil {
		return err
	}
	report := &peers.Report{Rounds: o.rounds, Duration: o.duration, Warmup: o.warmup}
	if report.Environment, err = peers.Describe(ctx, root, programs); err != nil {
		return err
	}
	for _, p := range chosen {
		report.Peers = append(report.Peers, p.Name)
	}
	failed := 0
	for i, row := range rows {
		logf("row %d of %d: %s", i+1, len(rows), row.Name)
		result, err := runner.Run(ctx, row, chosen)
		if err != nil {
			return err
		}
		report.Results = append(report.Results, result)
		failed += len(result.Failed)
	}
	if o.micro != "" {
		if report.Micro, err = o.runMicro(ctx); err != nil {
			return err
		}
	}
	report.Took = time.Since(began)
	if err := o.write(root, report); err != nil {
		return err
	}
	var problems []error
	if failed > 0 {
		problems = append(problems, fmt.Errorf("%d measurements failed; the report says why", failed))
	}
	for _, p := range chosen {
		if p.Program() != "weir" {
			continue
		}
		for _, fault := range report.Faults(p.Name) {
			problems = append(problems, fmt.Errorf("%s: %s", p.Name, fault))
		}
	}
	return errors.Join(problems...)
}

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// choose returns the rows and the brokers that the flags ask for.
func (o *options) choose() (rows []peers.Row, chosen []*peers.Peer, err error) {
	row, err := regexp.Compile(o.rows)
	if err != nil {
		return nil, nil, fmt.Errorf("-rows: %w", err)
	}
	peer, err := regexp.Compile(o.peers)
	if err != nil {
		return nil, nil, fmt.Errorf("-peers: %w", err)
	}
	for _, r := range peers.Rows {
		if row.MatchString(r.Name) {
			rows = append(rows, r)
		}
	}
	for _, p := range peers.Peers {
		if peer.MatchString(p.Name) {
			chosen = append(chosen, p)
		}
	}
	if len(chosen) == 0 {
		return nil, nil, fmt.Errorf("-peers %q matches no broker", o.peers)
	}
	if len(rows) == 0 && o.micro == "" {
		return nil, nil, fmt.Errorf("-rows %q matches no row, and there are no microbenchmarks either", o.rows)
	}
	return rows, chosen, nil
}

// whole reports whether a run is what the document is made of.
func (o *options) whole() bool {
	return o.rows == usual.rows && o.peers == usual.peers && o.micro == usual.micro &&
		o.rounds >= usual.rounds && o.duration >= enough && o.warmup == usual.warmup && o.microTime == usual.microTime
}

func (o *options) write(root string, report *peers.Report) error {
	file := o.out
	if file == "" && o.whole() {
		file = filepath.Join(root, "docs", "benchmarks.md")
	}
	text := report.Markdown()
	if file == "" {
		_, err := os.Stdout.WriteString(text)
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func raiseDescriptorLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	limit.Cur = limit.Max
	return os.NewSyscallError("setrlimit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
}

// build returns the programs of the brokers, by name. It builds those that are
// Go.
func build(ctx context.Context, root, dir string, chosen []*peers.Peer) (map[string]string, error) {
	programs := make(map[string]string)
	for _, p := range chosen {
		switch p.Program() {
		case "weir":
			programs["weir"] = filepath.Join(root, "bin", "weir")
			continue
		case "mosquitto":
			program, err := peers.FindMosquitto()
			if err != nil {
				return nil, err
			}
			programs[p.Name] = program
			continue
		}
		pkg := "./cmd/" + p.Name
		if p.Name == "nats-server" {
			pkg = "github.com/nats-io/nats-server/v2"
		}
		programs[p.Name] = filepath.Join(dir, "bin-"+p.Name)
		if err := goCommand(ctx, os.Stderr, "build", "-o", programs[p.Name], pkg); err != nil {
			return nil, err
		}
	}
	return programs, nil
}

func goCommand(ctx context.Context, stdout *os.File, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stdout, cmd.Stderr = stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// runMicro runs the benchmarks of package micro as often as there are rounds,
// each time all of them, so that those that are compared have their turns.
func (o *options) runMicro(ctx context.Context) (*peers.GoBench, error) {
	var all peers.GoBench
	for round := range o.rounds {
		logf("microbenchmarks, round %d of %d", round+1, o.rounds)
		var out strings.Builder
		cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", o.micro, "-benchtime", o.microTime.String(), "-timeout", "20m", "./micro")
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("microbenchmarks: %w\n%s", err, out.String())
		}
		if err := all.ParseGoBench(strings.NewReader(out.String())); err != nil {
			return nil, err
		}
	}
	return &all, nil
}
