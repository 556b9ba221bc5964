package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weirmq/weir/engine/resource"
	"github.com/weirmq/weir/security/passwords"
)

// changing is what the flags of weir passwd say.
type changing struct {
	remove       bool
	attributes   []string
	noAttributes bool
	iterations   int
}

func (a *app) passwdCommand() *cobra.Command {
	o := &changing{}
	c := &cobra.Command{
		Use:   "passwd FILE USER",
		Short: "Set a user's password and attributes in a password file, or remove the user",
		Long: `Set the password of a user in a password file, which is created if it is not
there, or remove the user. A password is asked for twice on a terminal; otherwise
it is the first line of standard input.

The file holds hashes by PBKDF2, and is a Secret's key passwords.toml: in the
configuration directory it is secrets/NAME/passwords.toml. A running weir serve
takes the change over, and closes the connections of the user if the password is
another one. Attributes stay as they are unless flags say otherwise.`,
		Example: `  mkdir -p weir-config/secrets/users
  weir passwd weir-config/secrets/users/passwords.toml client1 --attribute floor=floor1
  weir passwd weir-config/secrets/users/passwords.toml client1 --delete`,
		Args: arguments("FILE", "USER"),
		RunE: func(c *cobra.Command, args []string) error {
			if o.remove {
				for _, flag := range []string{"attribute", "no-attributes", "iterations"} {
					if c.Flags().Changed(flag) {
						return usagef("--delete and --%s do not go together", flag)
					}
				}
				return a.removeUser(args[0], args[1])
			}
			return a.putUser(o, args[0], args[1])
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return []string{"toml"}, cobra.ShellCompDirectiveFilterFileExt
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := c.Flags()
	f.BoolVarP(&o.remove, "delete", "D", false, "remove the user")
	f.StringArrayVar(&o.attributes, "attribute", nil, "a `KEY=VALUE` that rules may speak of; may be repeated, and replaces all that the user has")
	f.BoolVar(&o.noAttributes, "no-attributes", false, "take all attributes away")
	f.IntVar(&o.iterations, "iterations", passwords.DefaultIterations, "the cost of the hash, a `number` from 1000 to 10000000")
	return c
}

// givenAttributes returns nil if the attributes are to stay.
func (o *changing) givenAttributes() (map[string]string, error) {
	if o.noAttributes {
		if len(o.attributes) > 0 {
			return nil, usagef("--attribute and --no-attributes do not go together")
		}
		return map[string]string{}, nil
	}
	var given map[string]string
	for _, text := range o.attributes {
		key, value, found := strings.Cut(text, "=")
		if !found || key == "" {
			return nil, usagef("--attribute %q: want KEY=VALUE", text)
		}
		if given == nil {
			given = make(map[string]string)
		}
		if _, there := given[key]; there {
			return nil, usagef("--attribute %q: %s is given twice", text, key)
		}
		given[key] = value
	}
	return given, nil
}

func (a *app) putUser(o *changing, name, user string) error {
	attributes, err := o.givenAttributes()
	if err != nil {
		return err
	}
	if o.iterations < passwords.MinIterations || o.iterations > passwords.MaxIterations {
		return usagef("--iterations %d: want %d to %d", o.iterations, passwords.MinIterations, passwords.MaxIterations)
	}
	// What is wrong with the file is told before anyone has to type.
	if _, text, _, err := a.passwordFileOrNone(name); err != nil {
		return err
	} else if _, err := passwords.Parse(name, text); err != nil {
		return err
	}
	password, err := a.readPassword(user)
	if err != nil {
		return err
	}
	h, err := passwords.NewHash(password, o.iterations)
	if err != nil {
		return err
	}
	// Somebody else may have changed the file while this one was typing, and
	// whom they removed must not be back.
	unlock, err := lockPasswordFile(name)
	if err != nil {
		return err
	}
	defer unlock()
	file, text, mode, err := a.passwordFileOrNone(name)
	if err != nil {
		return err
	}
	before, err := passwords.Parse(file, text)
	if err != nil {
		return err
	}
	edited, err := passwords.Put(file, text, user, h, attributes)
	if err != nil {
		return err
	}
	if err := writeFile(file, edited, mode); err != nil {
		return err
	}
	verb := "added"
	if _, known := before.User(user); known {
		verb = "changed"
	}
	_, err = fmt.Fprintf(a.stdout, "user %q %s\n", user, verb)
	return err
}

func (a *app) removeUser(name, user string) error {
	unlock, err := lockPasswordFile(name)
	if err != nil {
		return err
	}
	defer unlock()
	file, text, mode, err := a.passwordFile(name)
	if err != nil {
		return err
	}
	edited, found, err := passwords.Remove(file, text, user)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("%s has no user %q", file, user)
	}
	if err := writeFile(file, edited, mode); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "user %q deleted\n", user)
	return err
}

// lockPasswordFile keeps others who change a password file out, from reading it
// to replacing it.
func lockPasswordFile(name string) (unlock func(), err error) {
	if file, err := filepath.EvalSymlinks(name); err == nil {
		name = file
	}
	return resource.LockDirectory(filepath.Dir(name))
}

// passwordFile reads a password file. It returns the name of the file itself,
// for links must stay links when it is replaced.
func (a *app) passwordFile(name string) (file string, text []byte, mode fs.FileMode, err error) {
	if file, err = filepath.EvalSymlinks(name); err != nil {
		return name, nil, 0, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return file, nil, 0, err
	}
	text, err = a.readInput(file)
	return file, text, info.Mode().Perm(), err
}

// passwordFileOrNone is passwordFile for one that need not be there yet.
func (a *app) passwordFileOrNone(name string) (file string, text []byte, mode fs.FileMode, err error) {
	file, text, mode, err = a.passwordFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil, modePrivate, nil
	}
	return file, text, mode, err
}

// maxPassword is what fits into a CONNECT, in bytes.
const maxPassword = 65535

// readPassword asks for a password, twice, or takes a line of what is piped in.
func (a *app) readPassword(user string) ([]byte, error) {
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		line, err := io.ReadAll(io.LimitReader(a.stdin, maxPassword+2)) // and the end of the line
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		line, _, _ = bytes.Cut(line, []byte("\n"))
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) > maxPassword {
			return nil, fmt.Errorf("the password is longer than a Password can be, %d bytes", maxPassword)
		}
		return line, nil
	}
	ask := func(prompt string) ([]byte, error) {
		fmt.Fprintf(a.stderr, prompt, user)
		defer fmt.Fprintln(a.stderr)
		return term.ReadPassword(int(in.Fd()))
	}
	first, err := ask("Password of %s: ")
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	second, err := ask("Again, password of %s: ")
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}
