package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) createCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "create",
		Short: "Create a Secret or a ConfigMap from files",
	}
	secret := &cobra.Command{
		Use:   "secret",
		Short: "Create a Secret",
	}
	secret.AddCommand(a.createSecretTLSCommand())
	c.AddCommand(secret, a.createConfigMapCommand())
	return c
}

func (a *app) createSecretTLSCommand() *cobra.Command {
	var cert, key, namespace string
	c := &cobra.Command{
		Use:   "tls NAME --cert FILE --key FILE",
		Short: "Create a TLS Secret from a certificate and its private key",
		Long: `Create a TLS Secret from a certificate and its private key, both PEM. The
certificate comes first in its file, then the intermediates that issued it.`,
		Example: `  weir create secret tls broker-server-cert --cert mqtts-endpoint.crt --key mqtts-endpoint.key`,
		Args:    arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			certPEM, err := a.readInput(cert)
			if err != nil {
				return err
			}
			keyPEM, err := a.readInput(key)
			if err != nil {
				return err
			}
			result, err := a.store().CreateSecretTLS(args[0], namespace, certPEM, keyPEM)
			if err != nil {
				return err
			}
			return a.printResults(result)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().StringVar(&cert, "cert", "", "the `file` with the certificate and its intermediates")
	c.Flags().StringVar(&key, "key", "", "the `file` with the private key")
	require(c, "cert", "key")
	namespaceFlag(c, &namespace)
	return c
}

func (a *app) createConfigMapCommand() *cobra.Command {
	var files, literals []string
	var namespace string
	c := &cobra.Command{
		Use:     "configmap NAME --from-file=[KEY=]FILE ... --from-literal=KEY=VALUE ...",
		Aliases: []string{"cm"},
		Short:   "Create a ConfigMap from files or values",
		Long: `Create a ConfigMap. Each --from-file adds a file under KEY, by default its own
name, or every file of a directory; each --from-literal adds a value.`,
		Example: `  weir create configmap fabrikam-ca --from-file=client_ca.pem=fabrikam_root_ca.crt`,
		Args:    arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			data := make(map[string][]byte)
			for _, source := range files {
				if err := a.addFiles(data, source); err != nil {
					return err
				}
			}
			for _, source := range literals {
				key, value, found := strings.Cut(source, "=")
				if !found || key == "" {
					return usagef("--from-literal %q: want KEY=VALUE", source)
				}
				if err := addData(data, key, []byte(value)); err != nil {
					return err
				}
			}
			result, err := a.store().CreateConfigMap(args[0], namespace, data)
			if err != nil {
				return err
			}
			return a.printResults(result)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	// Arrays and not slices: a comma is part of a file name or a value.
	c.Flags().StringArrayVar(&files, "from-file", nil, "a `[KEY=]FILE`, or a directory; may be repeated")
	c.Flags().StringArrayVar(&literals, "from-literal", nil, "a `KEY=VALUE`; may be repeated")
	namespaceFlag(c, &namespace)
	return c
}

// addFiles adds what one --from-file names.
func (a *app) addFiles(data map[string][]byte, source string) error {
	key, file, found := strings.Cut(source, "=")
	if !found {
		key, file = "", source
	}
	if file == "" || found && key == "" {
		return usagef("--from-file %q: want FILE, KEY=FILE or a directory", source)
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if key == "" {
			key = filepath.Base(file)
		}
		content, err := a.readInput(file)
		if err != nil {
			return err
		}
		return addData(data, key, content)
	}
	if key != "" {
		return usagef("--from-file %q: %s is a directory, whose files are keys of their own; leave out %s=", source, file, key)
	}
	entries, err := os.ReadDir(file)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		content, err := a.readInput(filepath.Join(file, entry.Name()))
		if err != nil {
			return err
		}
		if err := addData(data, entry.Name(), content); err != nil {
			return err
		}
	}
	return nil
}

func addData(data map[string][]byte, key string, value []byte) error {
	if _, there := data[key]; there {
		return fmt.Errorf("the key %q is given twice", key)
	}
	data[key] = value
	return nil
}
