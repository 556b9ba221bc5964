package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/engine/resource"
)

// serviceNames are how kubectl's users call services: what Kubernetes would
// make of the listeners.
var serviceNames = []string{"service", "services", "svc"}

// kindService is the kind in errors about services. No manifest has it.
const kindService resource.Kind = "Service"

// What kubectl shows for an address that there will never be, and for one that
// there is not yet.
const (
	noAddress      = "<none>"
	pendingAddress = "<pending>"
	anyAddress     = "*" // ours: every address of this machine
)

// getServices prints listeners as the services that Kubernetes would make of
// them.
func (a *app) getServices(names []string, format, namespace string) error {
	if format == formatYAML || format == formatJSON {
		return usagef("-o %s: a service has no manifest; get the brokerlistener", format)
	}
	services, err := a.store().Services()
	if err != nil {
		return err
	}
	services = slices.DeleteFunc(services, func(s resource.Service) bool { return !inNamespace(s.Namespace, namespace) })
	if len(names) == 0 {
		if len(services) == 0 {
			fmt.Fprintf(a.stderr, "No resources found in %s.\n", a.config)
		}
		return a.printServices(services, format)
	}
	var chosen []resource.Service
	var missing []error
	for _, name := range names {
		i := slices.IndexFunc(services, func(s resource.Service) bool { return s.Name == name })
		if i < 0 {
			missing = append(missing, &resource.NotFoundError{Kind: kindService, Name: name})
			continue
		}
		chosen = append(chosen, services[i])
	}
	return gather(append([]error{a.printServices(chosen, format)}, missing...)...)
}

func (a *app) printServices(services []resource.Service, format string) error {
	if len(services) == 0 {
		return nil
	}
	if format == formatName {
		for _, s := range services {
			if _, err := fmt.Fprintf(a.stdout, "service/%s\n", s.Name); err != nil {
				return err
			}
		}
		return nil
	}
	columns := []string{"NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"}
	if format == formatWide {
		columns = append(columns, "LISTENER")
	}
	t := newTable(columns...)
	snapshot, _ := resource.Load(a.config, nil)
	now := time.Now()
	for _, s := range services {
		ports := make([]string, len(s.Ports))
		for i, port := range s.Ports {
			ports[i] = fmt.Sprintf("%d/TCP", port.Port)
			if port.NodePort != 0 {
				ports[i] = fmt.Sprintf("%d:%d/TCP", port.Port, port.NodePort)
			}
		}
		cluster, external := serviceAddress(s.Listener, snapshot), noAddress
		if s.Type == "LoadBalancer" {
			cluster, external = noAddress, cluster
		}
		row := []string{s.Name, s.Type, cluster, external, strings.Join(ports, ","), age(now.Sub(s.Modified))}
		if format == formatWide {
			row = append(row, s.Listener)
		}
		t.add(row...)
	}
	return t.print(a.stdout)
}

// serviceAddress returns the address that a listener's ports are open on. It
// is pending as long as none of them would open.
func serviceAddress(listener string, snapshot *resource.Snapshot) string {
	for _, port := range snapshot.Ports() {
		if port.Listener != listener || port.State != resource.PortOpen {
			continue
		}
		if port.Address == "" {
			return anyAddress
		}
		return port.Address
	}
	return pendingAddress
}
