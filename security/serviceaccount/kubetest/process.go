//go:build linux

package kubetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// process is a child that ends with the test, however the test ends.
type process struct {
	command *exec.Cmd
	done    chan struct{} // closed when it has ended
	err     error         // then
}

// startProcess runs a program with its output in a file of directory.
func startProcess(program, directory string, arguments ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(directory, filepath.Base(program)+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(program, arguments...), done: make(chan struct{})}
	p.command.Dir, p.command.Stdout, p.command.Stderr = directory, log, log
	// Linux sends it when the thread that started the child ends, so that
	// thread is kept for as long.
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := p.command.Start()
		started <- err
		if err == nil {
			p.err = p.command.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) kill() {
	_ = p.command.Process.Kill() // an error means that it has ended
	<-p.done
}
