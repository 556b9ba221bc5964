package pki

import "fmt"

// OptionError reports a field of [Options] that cannot be used.
type OptionError struct {
	// Field is the name of the field in Options.
	Field string
	// Value is the value found there, as text.
	Value string
	// Want says what would be right.
	Want string
}

// Error returns the field, its value and what would be right, on one line.
func (e *OptionError) Error() string {
	return fmt.Sprintf("pki: %s %q: %s", e.Field, e.Value, e.Want)
}

// LoadError reports PEM from which no [Authority] can be built.
type LoadError struct {
	// Part is "certificate" or "key": the argument of LoadAuthority at fault.
	Part string
	// Problem says what is wrong with it and what would be right. It never
	// holds any of the key.
	Problem string
	// Err is the cause, where another package reported one.
	Err error
}

// Error returns the part at fault and the problem, on one line.
func (e *LoadError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("pki: %s: %s: %v", e.Part, e.Problem, e.Err)
	}
	return fmt.Sprintf("pki: %s: %s", e.Part, e.Problem)
}

// Unwrap returns the cause, or nil.
func (e *LoadError) Unwrap() error { return e.Err }
