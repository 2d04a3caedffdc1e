// Package oracle compares what constrain's grammars of JSON Schemas allow with
// what another implementation, santhosh-tekuri/jsonschema, finds valid. It is a
// module of its own, so that the product does not depend on that.
package oracle
