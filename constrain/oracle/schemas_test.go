package oracle

import "math/rand/v2"

// realSchema is a schema of real use: a Kubernetes object, a GitHub event, tools
// and their arguments, or a form.
func realSchema(r *rand.Rand) kind {
	switch r.IntN(5) {
	case 0:
		return kubernetes(r)
	case 1:
		return event(r)
	case 2:
		return tools(r)
	case 3:
		return form(r)
	}
	return tree(r)
}

func kubernetes(r *rand.Rand) kind {
	name := kind{object{{"type", "string"}, {"pattern", "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}, {"maxLength", number(63)}},
		func(r *rand.Rand) any { return pick(r, "web", "db-0", "a") }}
	metadata := record(r, "ObjectMeta",
		prop{"name", name, true}, prop{"namespace", name, false},
		prop{"labels", labels(r, text(r)), false}, prop{"annotations", labels(r, text(r)), false},
		prop{"creationTimestamp", nullable(r, format(r)), false})
	port := kind{object{{"type", "integer"}, {"minimum", number(1)}, {"maximum", number(65535)}}, func(r *rand.Rand) any { return number(1 + r.IntN(65535)) }}
	quantity := kind{object{{"type", strs("string", "number")}, {"pattern", `^[0-9]+(\.[0-9]+)?(m|Ki|Mi|Gi)?$`}},
		func(r *rand.Rand) any { return pick[any](r, "100m", "1.5Gi", number(2)) }}
	probe := record(r, "Probe", prop{"httpGet", record(r, "", prop{"path", text(r), false}, prop{"port", port, true}), false},
		prop{"periodSeconds", integer(r), false}, prop{"failureThreshold", integer(r), false})
	env := record(r, "EnvVar", prop{"name", format(r), true}, prop{"value", text(r), false})
	container := record(r, "Container",
		prop{"name", name, true}, prop{"image", text(r), true}, prop{"command", array(r, text(r)), false}, prop{"env", array(r, env), false},
		prop{"ports", array(r, record(r, "", prop{"containerPort", port, true}, prop{"protocol", choice("TCP", "UDP", "SCTP"), false})), false},
		prop{"resources", record(r, "", prop{"limits", labels(r, quantity), false}, prop{"requests", labels(r, quantity), false}), false},
		prop{"livenessProbe", probe, false}, prop{"readinessProbe", probe, false},
		prop{"imagePullPolicy", choice("Always", "Never", "IfNotPresent"), false}, prop{"tty", truth(), false})
	pod := record(r, "PodSpec", prop{"containers", array(r, container), true}, prop{"restartPolicy", choice("Always", "OnFailure", "Never"), false},
		prop{"nodeSelector", labels(r, text(r)), false}, prop{"terminationGracePeriodSeconds", integer(r), false})
	switch r.IntN(3) {
	case 0:
		return record(r, "Pod", prop{"apiVersion", constant("v1"), true}, prop{"kind", constant("Pod"), true}, prop{"metadata", metadata, true}, prop{"spec", pod, true})
	case 1:
		spec := record(r, "ServiceSpec", prop{"type", choice("ClusterIP", "NodePort", "LoadBalancer"), false}, prop{"selector", labels(r, text(r)), false},
			prop{"ports", array(r, record(r, "", prop{"port", port, true}, prop{"targetPort", kind{object{{"anyOf", []any{port.schema, name.schema}}}, port.make}, false})), true})
		return record(r, "Service", prop{"apiVersion", constant("v1"), true}, prop{"kind", constant("Service"), true}, prop{"metadata", metadata, true}, prop{"spec", spec, true})
	}
	spec := record(r, "DeploymentSpec", prop{"replicas", integer(r), false},
		prop{"selector", record(r, "", prop{"matchLabels", labels(r, text(r)), true}), true},
		prop{"template", record(r, "", prop{"metadata", metadata, false}, prop{"spec", pod, true}), true})
	return record(r, "Deployment", prop{"apiVersion", constant("apps/v1"), true}, prop{"kind", constant("Deployment"), true},
		prop{"metadata", metadata, true}, prop{"spec", spec, true})
}

func event(r *rand.Rand) kind {
	user := record(r, "User", prop{"login", text(r), true}, prop{"id", integer(r), true}, prop{"type", choice("User", "Bot", "Organization"), true},
		prop{"site_admin", truth(), false}, prop{"avatar_url", format(r), false}, prop{"email", nullable(r, format(r)), false})
	repository := record(r, "Repository", prop{"id", integer(r), true}, prop{"full_name", text(r), true}, prop{"private", truth(), true},
		prop{"owner", user, true}, prop{"description", nullable(r, text(r)), true}, prop{"topics", array(r, text(r)), false}, prop{"created_at", format(r), false})
	label := record(r, "Label", prop{"id", integer(r), true}, prop{"name", text(r), true}, prop{"color", format(r), true}, prop{"default", truth(), false})
	issue := record(r, "Issue", prop{"number", integer(r), true}, prop{"title", text(r), true}, prop{"body", nullable(r, text(r)), true},
		prop{"state", choice("open", "closed"), true}, prop{"labels", array(r, label), false}, prop{"assignees", array(r, user), false},
		prop{"closed_at", nullable(r, format(r)), false}, prop{"comments", integer(r), false})
	commit := record(r, "Commit", prop{"id", format(r), true}, prop{"message", text(r), true}, prop{"timestamp", format(r), true},
		prop{"added", array(r, text(r)), true}, prop{"author", record(r, "", prop{"name", text(r), true}, prop{"email", nullable(r, format(r)), false}), true})
	switch r.IntN(4) {
	case 0:
		return record(r, "push", prop{"ref", text(r), true}, prop{"before", format(r), true}, prop{"commits", array(r, commit), true},
			prop{"forced", truth(), false}, prop{"repository", repository, true}, prop{"sender", user, true})
	case 1:
		return record(r, "issues", prop{"action", choice("opened", "edited", "closed", "reopened", "labeled"), true}, prop{"issue", issue, true},
			prop{"changes", record(r, "", prop{"title", record(r, "", prop{"from", text(r), true}), false}), false}, prop{"repository", repository, true})
	case 2:
		return union(r, "action", record(r, "", prop{"issue", issue, true}), record(r, "", prop{"label", label, true}, prop{"repository", repository, false}),
			record(r, "", prop{"sender", user, true}))
	}
	return array(r, record(r, "release", prop{"tag_name", text(r), true}, prop{"assets", array(r, record(r, "", prop{"size", integer(r), true}, prop{"url", format(r), true})), true},
		prop{"prerelease", truth(), true}, prop{"author", user, false}))
}

// tools is calls of functions, each with its name and arguments.
func tools(r *rand.Rand) kind {
	arguments := []func() kind{
		func() kind {
			return record(r, "get_weather", prop{"location", text(r), true}, prop{"unit", choice("celsius", "fahrenheit"), false}, prop{"days", integer(r), false})
		},
		func() kind {
			return record(r, "search", prop{"query", text(r), true}, prop{"limit", integer(r), false}, prop{"filters", labels(r, nullable(r, text(r))), false}, prop{"sort", choice("asc", "desc"), false})
		},
		func() kind {
			return record(r, "create_event", prop{"title", text(r), true}, prop{"start", format(r), true}, prop{"end", format(r), false}, prop{"attendees", array(r, format(r)), false}, prop{"reminders", array(r, integer(r)), false})
		},
		func() kind {
			return record(r, "run_sql", prop{"statement", text(r), true}, prop{"parameters", array(r, anyKind(r, 0)), false}, prop{"timeout", decimal(r), false})
		},
		func() kind { return record(r, "noop") },
		func() kind { return record(r, "edit", fields(r, 2, "path", "old", "new", "count", "options")...) },
	}
	n := 1 + r.IntN(4)
	var parts []kind
	for range n {
		parts = append(parts, record(r, "", prop{"arguments", arguments[r.IntN(len(arguments))](), true}))
	}
	call := union(r, "name", parts...)
	if r.IntN(2) == 0 {
		return array(r, call)
	}
	return call
}

func form(r *rand.Rand) kind {
	address := record(r, "Address", prop{"street", text(r), true}, prop{"city", text(r), true}, prop{"zip", format(r), true}, prop{"country", choice("DE", "FR", "US", "JP"), true})
	person := record(r, "Person", prop{"name", text(r), true}, prop{"age", integer(r), false}, prop{"email", format(r), false}, prop{"address", address, false}, prop{"phones", array(r, format(r)), false})
	switch r.IntN(4) {
	case 0:
		return person
	case 1: // by allOf and $defs
		base := record(r, "Base", prop{"id", format(r), true}, prop{"created", format(r), false})
		extra := record(r, "Extra", prop{"total", decimal(r), true}, prop{"customer", person, true}, prop{"note", nullable(r, text(r)), false})
		return kind{object{{"$defs", object{{"base", open(base.schema)}, {"extra", open(extra.schema)}}},
			{"allOf", []any{object{{"$ref", "#/$defs/base"}}, object{{"$ref", "#/$defs/extra"}}}}},
			func(r *rand.Rand) any { return append(known(base, base.make(r)), known(extra, extra.make(r))...) }}
	case 2: // a tuple
		parts := []kind{text(r), integer(r), address}
		return kind{object{{"type", "array"}, {"prefixItems", []any{parts[0].schema, parts[1].schema, parts[2].schema}}, {"items", false}, {"minItems", number(2)}},
			func(r *rand.Rand) any {
				v := []any{parts[0].make(r), parts[1].make(r)}
				if r.IntN(2) == 0 {
					v = append(v, parts[2].make(r))
				}
				return v
			}}
	}
	return record(r, "Survey", fields(r, 2, "q1", "q2", "q3", "q4", "q5", "comment")...)
}

// open is an object's schema without additionalProperties.
func open(s object) object {
	var out object
	for _, m := range s {
		if m.name != "additionalProperties" {
			out = append(out, m)
		}
	}
	return out
}

// known is a value's members that the schema names.
func known(k kind, v any) object {
	var names object
	for _, m := range k.schema {
		if m.name == "properties" {
			names = m.value.(object)
		}
	}
	out := object{}
	for _, m := range v.(object) {
		if has(names, m.name) {
			out = append(out, m)
		}
	}
	return out
}

// tree leads to itself.
func tree(r *rand.Rand) kind {
	leaf := anyKind(r, 1)
	var build func(r *rand.Rand, depth int) any
	build = func(r *rand.Rand, depth int) any {
		v := object{{"value", leaf.make(r)}}
		if depth > 0 && r.IntN(3) > 0 {
			kids := []any{}
			for range r.IntN(3) {
				kids = append(kids, build(r, depth-1))
			}
			v = append(v, member{"children", kids})
		}
		return v
	}
	node := object{{"type", "object"}, {"properties", object{{"value", leaf.schema}, {"children", object{{"type", "array"}, {"items", object{{"$ref", "#/$defs/node"}}}}}}},
		{"required", strs("value")}, {"additionalProperties", r.IntN(2) == 0}}
	return kind{object{{"$ref", "#/$defs/node"}, {"$defs", object{{"node", node}}}}, func(r *rand.Rand) any { return build(r, 3) }}
}
