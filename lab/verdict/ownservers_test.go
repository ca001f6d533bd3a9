package verdict_test

import (
	"slices"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// What is not known of servers without an identity is a doubt, and so are different backlogs.
func TestServersWithoutAnIdentityAreDoubted(t *testing.T) {
	const unknown = "the lab does not know how many workers these servers have, nor how long they keep idle " +
		"connections, because it asks them for no identity: shop/v1, shop/v2"
	backlog := func(n int64) metric.Row { return metric.Row{"backlog": metric.Int(n)} }
	rows := func(v1, v2, app metric.Row) []metric.Row {
		return slices.Concat(trials("shop/v1", 100, 0, v1), trials("shop/v2", 100, 0, v2),
			trials("node/single", 100, 0, app))
	}
	p := planOf()
	p.OwnServers = []string{"shop/v1", "shop/v2", "shop/unmeasured"}
	for name, c := range map[string]struct {
		rows []metric.Row
		want []string
	}{
		"equal backlogs": {rows(backlog(4096), backlog(4096), backlog(4096)), []string{unknown}},
		"different backlogs": {
			rows(backlog(511), metric.Row{}, backlog(4096)),
			[]string{
				unknown,
				"servers queue different numbers of new connections (backlog): 4096 connections by node/single; " +
					"511 connections by shop/v1; an unknown number of connections by shop/v2",
			},
		},
		"an earlier lab": {rows(backlog(511), backlog(511), metric.Row{}), []string{unknown}},
		"none":           {trials("node/single", 100, 0, backlog(4096)), nil},
	} {
		if got := doubtsOf(judgeAll(p, c.rows)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := doubtsOf(judgeAll(lab.Plan{Profile: p.Profile},
		rows(backlog(1), backlog(2), backlog(3)))); len(got) > 0 {
		t.Errorf("applications of the lab: %q", got)
	}
}
