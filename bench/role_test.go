//go:build linux

package bench_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A role is this program in a process of its own, so that what it computes is
// not taken for somebody else's doing. It is told lines, and answers each with a
// line of JSON.
type role struct {
	b       *testing.B
	name    string
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	left    bool
}

const (
	roleVariable     = "WEIR_TEST_ROLE"
	argumentVariable = "WEIR_TEST_ARGUMENT"

	roleBroker  = "broker"
	roleCrowd   = "crowd"
	roleServer  = "server"
	roleTraffic = "traffic"
)

// roles take their argument and return who answers lines.
var roles = map[string]func(argument []byte) (answer func(line string) (any, error), err error){
	roleBroker:  beBroker,
	roleCrowd:   beCrowd,
	roleServer:  beServer,
	roleTraffic: beTraffic,
}

func TestMain(m *testing.M) {
	if be := roles[os.Getenv(roleVariable)]; be != nil {
		if err := play(be); err != nil {
			fmt.Fprintln(os.Stderr, os.Getenv(roleVariable)+":", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// play plays a role until there is nothing more to be told.
func play(be func([]byte) (func(string) (any, error), error)) error {
	answer, err := be([]byte(os.Getenv(argumentVariable)))
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		v, err := answer(lines.Text())
		if err == nil {
			err = out.Encode(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// precedence is by what a process is started, and when it runs then.
type precedence []string

var (
	// afterOthers is for who is elsewhere: it takes only time that nobody else on
	// this machine wants. Of nice, the least would still be given milliseconds at a
	// time.
	afterOthers = precedence{"chrt", "--idle", "0"}
	// likeOthers is for who is measured.
	likeOthers = precedence(nil)
	// beforeOthers is for who measures: it runs at once, so what it has to wait for
	// is not its own turn. It must not be busy.
	beforeOthers = precedence{"chrt", "--fifo", "1"}
)

// keepAwake has processors with nothing to do poll rather than halt, until the
// benchmark has ended, where Linux can (PM QoS, cpu_dma_latency) and we may. A
// virtual machine whose processors halt gives them to others, and gets them back
// when the machine below comes round to it: that took milliseconds, of messages that
// come one by one. A process that uses up what is left was tried: ksoftirqd, which
// passes packets on, then waited its turn for 66 ms in the mean, and once everything
// stood still for 19 s.
func keepAwake(b *testing.B) {
	b.Helper()
	const device = "/dev/cpu_dma_latency"
	f, err := os.OpenFile(device, os.O_WRONLY, 0)
	if err == nil {
		b.Cleanup(func() { _ = f.Close() }) // until when it holds
		_, err = f.Write(make([]byte, 4))   // microseconds, an int32
	}
	if err != nil {
		b.Logf("processors may sleep (%v): what is measured waits until they are awake as well", err)
	}
}

// permitted returns when, or likeOthers if we may not have that, and says so.
func (when precedence) permitted(b *testing.B) precedence {
	b.Helper()
	if err := exec.Command(when[0], append(slices.Clip(when[1:]), "true")...).Run(); err != nil {
		b.Logf("%s is not permitted (%v): what is measured waits for its turn as well", strings.Join(when, " "), err)
		return likeOthers
	}
	return when
}

// startRole starts a process that lives until the benchmark has ended, or
// leaves.
func startRole(b *testing.B, name string, argument any, when precedence) *role {
	b.Helper()
	text, err := json.Marshal(argument)
	if err != nil {
		b.Fatal(err)
	}
	command := append(slices.Clip(when), os.Args[0])
	r := &role{b: b, name: name, process: exec.Command(command[0], command[1:]...)}
	r.process.Env = append(os.Environ(), roleVariable+"="+name, argumentVariable+"="+string(text))
	r.process.Stderr = os.Stderr
	in, err := r.process.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := r.process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := r.process.Start(); err != nil {
		b.Fatal(err)
	}
	r.in, r.out = in, bufio.NewScanner(out)
	b.Cleanup(r.leave)
	return r
}

// tell tells the role a line and, unless it is nil, has answer filled in.
func (r *role) tell(line string, answer any) {
	r.b.Helper()
	if _, err := fmt.Fprintln(r.in, line); err != nil || !r.out.Scan() {
		r.b.Fatalf("the %s is gone: %v %v", r.name, err, r.out.Err())
	}
	if answer != nil {
		if err := json.Unmarshal(r.out.Bytes(), answer); err != nil {
			r.b.Fatal(err)
		}
	}
}

// leave ends the role.
func (r *role) leave() {
	if r.left {
		return
	}
	r.left = true
	_ = r.in.Close()
	if err := r.process.Wait(); err != nil {
		r.b.Errorf("the %s: %v", r.name, err)
	}
}
