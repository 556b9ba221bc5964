package bench

import (
	"errors"
	"fmt"

	"github.com/weirmq/weir/codec"
)

var (
	// ErrStalled is returned when a run could not begin to measure, because
	// no message arrived at all.
	ErrStalled = errors.New("bench: no message has arrived; see whether the broker lets these Clients publish and subscribe")

	errWouldBlock = errors.New("bench: would block")
	errClosed     = errors.New("the broker closed the Network Connection")
)

// ConfigError is a Config that cannot be run.
type ConfigError struct {
	Field string // of Config
	Err   error  // the value, and what would be right
}

// Error implements error.
func (e *ConfigError) Error() string { return "bench: " + e.Field + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

func configError(field, format string, args ...any) error {
	return &ConfigError{field, fmt.Errorf(format, args...)}
}

// ConnectError is a Client that could not do what comes before the first
// message: connect, or subscribe.
type ConnectError struct {
	ClientID string
	Broker   string
	Err      error
}

// Error implements error.
func (e *ConnectError) Error() string {
	return fmt.Sprintf("bench: Client %s at %s: %v", e.ClientID, e.Broker, e.Err)
}

// Unwrap returns Err.
func (e *ConnectError) Unwrap() error { return e.Err }

// RefusedError is a packet that the broker answered with a Reason Code of
// failure.
type RefusedError struct {
	Packet     codec.PacketType // the answer
	ReasonCode codec.ReasonCode
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v with Reason Code 0x%02X (%v)", e.Packet, byte(e.ReasonCode), e.ReasonCode)
}

// PacketError is a packet that a Server does not send, at least not then.
type PacketError struct {
	Packet codec.PacketType
	Detail string
}

// Error implements error.
func (e *PacketError) Error() string { return fmt.Sprintf("unexpected %v: %s", e.Packet, e.Detail) }

// SystemError is a system call that failed.
type SystemError struct {
	Call string
	Err  error
}

// Error implements error.
func (e *SystemError) Error() string { return e.Call + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *SystemError) Unwrap() error { return e.Err }
