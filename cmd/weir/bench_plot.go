package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirmq/weir/bench"
)

func (a *app) plotCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "plot FILE...",
		Short: "Draw results as SVG",
		Long: `Draw throughput over time and latency by percentile of what weir bench has
printed with --json: of single runs, each under the name of its file, and of
comparisons, under the names of the brokers. FILE may be - for standard input.`,
		Example: `  weir bench latency --self --json > weir.json
  weir bench plot weir.json --output weir.svg`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("FILE is missing: weir bench plot takes what weir bench printed with --json")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, files []string) error {
			var results []*bench.Result
			for _, file := range files {
				read, err := a.readResults(file)
				if err != nil {
					return err
				}
				results = append(results, read...)
			}
			var drawing bytes.Buffer
			if err := bench.Plot(&drawing, results); err != nil {
				return err
			}
			if output == "-" {
				_, err := a.stdout.Write(drawing.Bytes())
				return err
			}
			return writeFile(output, drawing.Bytes(), modePublic)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "bench.svg", "the `file` to write; - is standard output")
	return c
}

// readResults reads one file. A run that has no name gets the file's.
func (a *app) readResults(file string) ([]*bench.Result, error) {
	text, err := a.readInput(file)
	if err != nil {
		return nil, err
	}
	results, err := bench.ReadResults(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, r := range results {
		if r.Peer == "" {
			r.Peer = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		}
	}
	return results, nil
}
