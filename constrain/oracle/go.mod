module github.com/mil-run/mil/constrain/oracle

go 1.26.0

require (
	github.com/mil-run/mil v0.0.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
)

require golang.org/x/text v0.44.0 // indirect

replace github.com/mil-run/mil => ../..
