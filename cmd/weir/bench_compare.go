package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/bench"
)

func (a *app) compareCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "compare",
		Short: "Compare brokers, in turns",
		Long: `Run a scenario against several brokers in turns, A B A B, so that what changes
on the machine meanwhile happens to all of them. Print medians, ranges, and the
ratio of each median to that of the first broker or of --baseline.`,
		Example: `  weir bench compare pairs --peer weir=localhost:1884,4711 --peer mosquitto=localhost:1883,4712 \
      --baseline mosquitto --rounds 5 --qos 1 --markdown`,
	}
	for _, text := range scenarioTexts {
		// The address only fills the place of the peers' until they are known.
		b := &benching{app: a, config: bench.Config{Scenario: text.scenario, Broker: defaultBroker}}
		sub := b.command(text.short, text.long, b.compare)
		f := sub.Flags()
		f.StringArrayVar(&b.peers, "peer", nil, "a broker, as `NAME=ADDRESS,PID`, or without the process if it is on another machine; repeat it")
		f.StringVar(&b.baseline, "baseline", "", "the `name` of the broker that the others are compared with (default the first)")
		f.IntVar(&b.rounds, "rounds", 5, "the `number` of runs of each broker")
		f.BoolVar(&b.markdown, "markdown", false, "print the result as Markdown")
		b.flags(sub)
		f.BoolVar(&b.quiet, "quiet", false, "print nothing while it runs")
		require(sub, "peer")
		sub.MarkFlagsMutuallyExclusive("json", "markdown")
		complete(sub, "peer", cobra.NoFileCompletions)
		c.AddCommand(sub)
	}
	return c
}

// parsePeer reads NAME=ADDRESS,PID.
func parsePeer(text string) (p bench.Peer, err error) {
	name, rest, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return p, usagef("--peer %q: write NAME=ADDRESS or NAME=ADDRESS,PID", text)
	}
	address, pid, hasPID := strings.Cut(rest, ",")
	p = bench.Peer{Name: name, Broker: address}
	if hasPID {
		if p.PID, err = strconv.Atoi(pid); err != nil || p.PID <= 0 {
			return p, usagef("--peer %q: %q is no process id", text, pid)
		}
	}
	if _, _, err := bench.ParseBroker(address); err != nil {
		return p, usagef("--peer %s: %v", name, err)
	}
	return p, nil
}

// compare runs the scenario against each peer in turn.
func (b *benching) compare(ctx context.Context) error {
	var peers []bench.Peer
	for _, text := range b.peers {
		p, err := parsePeer(text)
		if err != nil {
			return err
		}
		peers = append(peers, p)
	}
	if b.rounds < 1 {
		return usagef("--rounds %d: write 1 or more", b.rounds)
	}
	if b.baseline == "" {
		b.baseline = peers[0].Name
	}
	b.showProgress()
	defer b.quietly()()
	done := func(r *bench.Result) {
		if !b.quiet {
			fmt.Fprintf(b.app.stderr, "%s, round %d of %d\n", r.Peer, r.Round, b.rounds)
		}
	}
	all, err := bench.Compare(ctx, b.config, peers, b.baseline, b.rounds, done)
	switch {
	case err != nil:
		return flagError(b.config.Scenario, err)
	case b.json:
		return printJSON(b.app.stdout, all)
	case b.markdown:
		return all.WriteMarkdown(b.app.stdout)
	}
	return all.WriteText(b.app.stdout)
}
