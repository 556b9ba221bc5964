// Weir is an MQTT broker for edge gateways and appliances, and what an
// operator needs beside it.
//
//	weir demo                     try it: certificates, policies, a broker
//	weir serve --config DIR       serve what the manifests in DIR describe
//	weir check --config DIR       say what is wrong with them
//	weir explain --config DIR ...   say who may do what, and by which rule
//	weir create|apply|get|describe|delete ...
//	                              kubectl's verbs on that directory
//	weir pki root|intermediate|leaf|subject ...
//	                              certificates for a tutorial or a test
//	weir passwd FILE USER         password files
//	weir bench pairs|fanin|fanout|wild|latency|storm|idle|reconnect|overload ...
//	                              load a broker, this or another, and measure it
//	weir bench compare|plot ...   several brokers in turns; a drawing
//	weir version
//
// The directory is the whole configuration: a running weir serve notices what
// changes in it. --config names it, else the environment variable WEIR_CONFIG,
// else it is ./weir-config.
//
// # Output and exit codes
//
// What was asked for goes to standard output, errors and the log to standard
// error. The exit code is 0 for success, 1 for failure (for weir check: there
// are errors; for weir explain: denied), and 2 if the command line itself is
// wrong. A second interrupt while weir serve drains exits with 130.
//
// # Borrowed memory, concurrency, errors
//
// The program holds no logic of its own: a command turns flags and files into
// calls of packages bench, engine, engine/resource, security and security/pki,
// whose comments say what is borrowed and what is safe for concurrent use. An
// error names the file or flag, what is wrong with it, and what would be right;
// no private key and no password is ever part of one.
package main
