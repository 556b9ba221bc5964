//go:build !linux

package bench

import (
	"errors"
	"time"
)

var errPlatform = errors.New("bench: this platform has no epoll; run it on Linux")

// poller stands in where there is no epoll: Run says so before it connects.
type poller struct{}

func newPoller() (*poller, error) { return nil, errPlatform }

func (*poller) close() {}

func (*poller) watch(int, int, bool, bool) error { return errPlatform }

func (*poller) wait(time.Duration) (int, error) { return 0, errPlatform }

func (*poller) event(int) (index int, readable, writable bool) { return 0, false, false }

func sharpenTimer() {}

func readSocket(int, []byte) (int, error) { return 0, errPlatform }

func writeSocket(int, []byte) (int, error) { return 0, errPlatform }

func closeSocket(int) {}

func abortSocket(int) {}

func socketEnded(int) bool { return true }

func duplicateSocket(int) (int, error) { return 0, errPlatform }

func processUsage(int) (usage, error) { return usage{}, errPlatform }
