//go:build linux

package bench_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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
	roleFiller  = "filler"
	roleTraffic = "traffic"
)

// roles take their argument and return who answers lines.
var roles = map[string]func(argument []byte) (answer func(line string) (any, error), err error){
	roleBroker:  beBroker,
	roleCrowd:   beCrowd,
	roleServer:  beServer,
	roleFiller:  beFiller,
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

// beforeSessions has what this session does precede what else the machine does,
// where Linux keeps sessions apart (see sched(7), autogroup) and we may.
func beforeSessions(b *testing.B) {
	const group = "/proc/self/autogroup" // "/autogroup-69 nice 0"
	text, err := os.ReadFile(group)
	_, was, known := strings.Cut(strings.TrimSpace(string(text)), " nice ")
	if err != nil || !known || os.WriteFile(group, []byte("-20"), 0) != nil {
		return
	}
	b.Cleanup(func() {
		if err := os.WriteFile(group, []byte(was), 0); err != nil {
			b.Error(err)
		}
	})
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
		r.b.Errorf("the %s is gone: %v %v", r.name, err, r.out.Err())
		return
	}
	if answer != nil {
		if err := json.Unmarshal(r.out.Bytes(), answer); err != nil {
			r.b.Error(err)
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

// beFiller uses up what time each processor has left. A virtual machine whose
// processors have nothing to do gives them to others, and gets them back when the
// machine below comes round to it: that took milliseconds, of messages that come
// one by one. Each processor has a thread of its own, since Linux left both of two on
// one of them while the other slept. They give their turn up all the time: whoever
// was made ready while another one ran, and has had a little more than its share,
// would have it wait for the next tick.
func beFiller([]byte) (func(string) (any, error), error) {
	var processors unix.CPUSet
	if err := unix.SchedGetaffinity(0, &processors); err != nil {
		return nil, err
	}
	// Go cannot preempt who is always in a system call that it was not told of: not
	// for what collects garbage, and not for who is told that this is over.
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(processors.Count() + 1)
	pinned := make(chan error)
	for i := range len(processors) * bits.UintSize {
		if !processors.IsSet(i) {
			continue
		}
		go func() {
			runtime.LockOSThread()
			var own unix.CPUSet
			own.Set(i)
			err := unix.SchedSetaffinity(0, &own)
			pinned <- err
			for err == nil {
				_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
			}
		}()
		if err := <-pinned; err != nil {
			return nil, err
		}
	}
	return func(string) (any, error) { return nil, nil }, nil
}
