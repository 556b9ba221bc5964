package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Environment is where and with what a run was made.
type Environment struct {
	CPU      string
	Cores    int
	Memory   string
	Kernel   string
	Go       string
	Commit   string
	Date     string
	Versions map[string]string // of each Peer, by name
}

// modules are the Peers that are Go modules, with their paths.
var modules = map[string]string{
	"mochi":       "github.com/mochi-mqtt/server/v2",
	"nats-server": "github.com/nats-io/nats-server/v2",
}

// libraries are the modules that package micro compares with, beside those.
var libraries = []string{"github.com/cedar-policy/cedar-go", "github.com/eclipse/paho.golang"}

// Describe looks around. root is the directory of Weir's source, and programs
// those of the Peers by name.
func Describe(ctx context.Context, root string, programs map[string]string) (Environment, error) {
	e := Environment{Cores: runtime.NumCPU(), Go: runtime.Version(), Date: time.Now().UTC().Format(time.DateOnly), Versions: make(map[string]string)}
	var err error
	if e.CPU, err = field("/proc/cpuinfo", "model name"); err != nil {
		return e, err
	}
	if e.Memory, err = field("/proc/meminfo", "MemTotal"); err != nil {
		return e, err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return e, err
	}
	e.Kernel = strings.TrimSpace(string(kernel))
	// Without version control, as in an archive of the source, there is no
	// commit to name.
	if e.Commit, err = output(ctx, root, "git", "describe", "--always", "--dirty"); err != nil {
		e.Commit = "unknown"
	}
	for name, program := range programs {
		if path, ok := modules[name]; ok {
			if e.Versions[name], err = output(ctx, "", "go", "list", "-m", "-f", "{{.Version}}", path); err != nil {
				return e, err
			}
		} else if name == Baseline {
			// It has no flag for this; its help, which says it, ends with 3.
			help, err := exec.CommandContext(ctx, program, "-h").Output()
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				return e, err
			}
			line, _, _ := strings.Cut(string(help), "\n")
			e.Versions[name] = strings.TrimPrefix(line, "mosquitto version ")
		}
	}
	for _, path := range libraries {
		name := path[strings.LastIndexByte(path, '/')+1:]
		if e.Versions[name], err = output(ctx, "", "go", "list", "-m", "-f", "{{.Version}}", path); err != nil {
			return e, err
		}
	}
	return e, nil
}

// output returns what a command prints.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(append([]string{name}, args...), " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// field returns the first value of a name in a file of lines "name: value", or
// "unknown".
func field(file, name string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		key, value, _ := strings.Cut(scanner.Text(), ":")
		if strings.TrimSpace(key) == name {
			return strings.TrimSpace(value), nil
		}
	}
	return "unknown", scanner.Err()
}
