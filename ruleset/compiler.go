// Copyright 2026 The Tierwall Authors.
// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"hash/maphash"
	"iter"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
)

// Compiler keeps the inventory and the policies it is told of and compiles them
// for one node, incrementally: its Ruleset depends only on what it knows now.
// The Set and Delete methods take note and are cheap; Update does the work. A
// Compiler is not safe for concurrent use.
type Compiler struct {
	nodeName string
	ruleset  Ruleset
	delta    Delta
	seed     maphash.Seed

	// Who has what labels, ports and addresses.
	labelSets  map[string]*labelSet
	portSets   map[string]*portSet
	namespaces map[string]*namespaceState
	nodes      map[string]*nodeState
	podCount   int // of all namespaces
	identities map[identityKey]*identity
	endpoints  map[netip.Addr]*endpoint
	groups     map[groupKey]*group
	networks   networkTable
	domains    map[string]*domainState

	// What policies ask for. Those that were set or deleted (nil) since the last
	// Update are pending.
	pending        map[PolicyKey]*Policy
	policies       map[PolicyKey]*policyState
	policySubjects selectorIndex[*policyState]
	subjects       map[subjectKey]*subjectState
	stacks         map[StackID]*stackState
	stacksByKey    map[stackKey][]*stackState
	decisions      decisionPool
	features       featureTable
	portNames      map[string]*portNameState
	livePods       selectorIndex[*feature]
	liveNodes      map[*feature]struct{}
	liveNetworks   map[*feature]struct{}
	liveDomains    *DomainIndex[*feature]
	// announced are the features that stacks will ask for which are to begin.
	announced []*feature
	// refining is true while no decision may change.
	refining bool
	// nodeSelectors counts the live features that look at pods' nodes.
	nodeSelectors int

	classes      map[string]*class
	classIDs     idPool[ClassID]
	stackNumbers idPool[uint32]
	lastPolicy   uint64

	// What the next Update has to look at.
	freshIdentities         []*identity
	staleIdentities         map[*identity]struct{}
	touchedEndpoints        []*endpoint
	touchedGroups           []*group
	touchedNodes            map[*nodeState]struct{}
	touchedSubjects         []*subjectState
	touchedStacks           []*stackState
	unusedStacks            []*stackState
	staleRows               map[*stackState]struct{}
	redundant               map[*stackState][]ClassID
	touchedSubjectAddresses map[netip.Addr]struct{}
	staleClasses            map[*class]struct{}
	regrouped               []*endpoint
	unlisted                []*group
	relist                  map[*segment]struct{}
	networksChanged         bool
}

// NewCompiler returns a Compiler for the pods of one node, that knows nothing
// yet.
func NewCompiler(nodeName string) *Compiler {
	c := &Compiler{
		nodeName: nodeName,
		ruleset: Ruleset{
			Subjects: map[netip.Addr]Subject{}, Endpoints: map[netip.Addr]ClassID{}, Stacks: map[StackID]*Stack{},
		},
		delta: newDelta(),
		seed:  maphash.MakeSeed(),

		labelSets: map[string]*labelSet{}, portSets: map[string]*portSet{},
		namespaces: map[string]*namespaceState{}, nodes: map[string]*nodeState{},
		identities: map[identityKey]*identity{}, endpoints: map[netip.Addr]*endpoint{}, groups: map[groupKey]*group{},
		domains: map[string]*domainState{},

		pending: map[PolicyKey]*Policy{}, policies: map[PolicyKey]*policyState{}, policySubjects: newSelectorIndex[*policyState](),
		subjects: map[subjectKey]*subjectState{}, stacks: map[StackID]*stackState{}, stacksByKey: map[stackKey][]*stackState{},
		decisions: newDecisionPool(), features: newFeatureTable(), portNames: map[string]*portNameState{},
		livePods: newSelectorIndex[*feature](), liveNodes: map[*feature]struct{}{}, liveNetworks: map[*feature]struct{}{},
		liveDomains: NewDomainIndex[*feature](),

		classes:         map[string]*class{},
		staleIdentities: map[*identity]struct{}{}, touchedNodes: map[*nodeState]struct{}{},
		touchedSubjectAddresses: map[netip.Addr]struct{}{}, staleClasses: map[*class]struct{}{},
		staleRows: map[*stackState]struct{}{}, redundant: map[*stackState][]ClassID{}, relist: map[*segment]struct{}{},
	}
	c.rebuildNetworks()
	return c
}

func newDelta() Delta {
	return Delta{
		Endpoints: map[netip.Addr]struct{}{}, Subjects: map[netip.Addr]struct{}{},
		Stacks: map[StackID]struct{}{}, Tables: map[StackID]map[RowID]struct{}{}, Rows: map[StackID]map[ClassID]struct{}{},
	}
}

// Ruleset returns the compiled state as of the last Update. It is changed by
// the next one.
func (c *Compiler) Ruleset() *Ruleset { return &c.ruleset }

// Update compiles all that changed since the last Update and returns what that
// changed in the Ruleset. It is what Steps does, without the states between.
func (c *Compiler) Update() *Delta {
	c.takePending()
	for step := c.policyStep; step != nil; {
		step = step()
	}
	return c.takeDelta()
}

// Steps compiles all that changed since the last Update, in a few steps, and
// yields what each changed in the Ruleset: of those that changed something, and of
// the last. A step is compiled when it is asked for, so the caller can bring the
// kernel to one before the next.
//
// A packet on its way through the tables may find its class before a commit and
// the class's row after it. So what tells addresses apart is committed first,
// while every decision stays what it is, and what is decided about them second;
// and what nothing leads to any more goes last, in a step of its own. Whichever
// class the packet found, it meets a row that is right before or after. What is
// known of pods, namespaces and nodes comes before policies.
func (c *Compiler) Steps() iter.Seq[*Delta] {
	return func(yield func(*Delta) bool) {
		for step := c.networkStep; step != nil; {
			step = step()
			if delta := c.takeDelta(); (step == nil || !delta.Empty()) && !yield(delta) {
				return
			}
		}
	}
}

// step is one of Steps; it returns the next, or nil after the last.
type step func() step

// networkStep tells networks apart for the stacks that pods are about to come under,
// and leaves all else as it is. The kernel changes networks last in a commit: a pod
// that went under such stacks in the same commit would be judged by them, for as long
// as it takes, as if networks were of the classes from before, which they do not know.
func (c *Compiler) networkStep() step {
	networks := c.announceNetworks()
	if len(networks) == 0 {
		return c.inventoryStep()
	}
	s := newSettled()
	for _, f := range networks {
		c.settle(f, &s)
	}
	if s.begun[networkFeature] > 0 {
		c.rebuildNetworks()
		c.refine()
	}
	return c.inventoryStep
}

// inventoryStep takes in what is known of pods, namespaces, nodes and names.
func (c *Compiler) inventoryStep() step {
	c.compileAll()
	if len(c.pending) > 0 {
		return c.refineStep
	}
	return c.garbageStep
}

// refineStep tells apart what pending policies will tell apart, and leaves all
// stacks as they are.
func (c *Compiler) refineStep() step {
	c.takePending()
	c.settleFeatures()
	c.regroupTouched()
	c.refine()
	return c.policyStep
}

// refine gives addresses the classes of their signatures, where all classes that
// come of one decide as that did.
func (c *Compiler) refine() {
	c.refining = true
	for _, change := range c.reclassify() {
		c.updateRows(change, func(*stackState) bool { return true })
	}
	c.refining = false
	c.listNetworks()
}

// takePending replaces the policies that were set or deleted.
func (c *Compiler) takePending() {
	for key, policy := range c.pending {
		c.replacePolicy(key, policy)
	}
	clear(c.pending)
}

// policyStep changes what is decided.
func (c *Compiler) policyStep() step {
	c.compileAll()
	return c.garbageStep
}

// garbageStep removes what nothing leads to since the step before. That ends
// features, which leaves classes alike, and uses of rows: garbage in turn.
func (c *Compiler) garbageStep() step {
	c.dropStaleRows()
	c.dropStaleIdentities()
	retired := c.retireStacks()
	c.dropStaleClasses()
	c.dropRedundantRows()
	c.forgetFeatures()
	if retired {
		c.compileAll()
	}
	if retired || len(c.staleRows) > 0 {
		return c.garbageStep
	}
	return nil
}

// compileAll brings the Ruleset up to date with what is known, pending policies
// aside.
func (c *Compiler) compileAll() {
	c.restack()
	c.compileStacks()
	c.withdrawAnnounced()
	c.settleFeatures()
	c.regroupTouched()
	for _, change := range c.reclassify() {
		c.updateRows(change, func(s *stackState) bool { return !s.touched || s.affected != nil })
	}
	for _, s := range c.touchedStacks {
		c.buildRows(s)
	}
	c.touchedStacks = c.touchedStacks[:0]
	c.listNetworks()
	c.listSubjects()
}

// regroupTouched puts every address that was touched into its group.
func (c *Compiler) regroupTouched() {
	for _, e := range c.touchedEndpoints {
		e.touched = false
		c.regroup(e)
	}
	c.touchedEndpoints = c.touchedEndpoints[:0]
}

// reclassify gives every group that may have another signature its class, lists its
// addresses, and returns the classes whose rows have to be worked out.
func (c *Compiler) reclassify() []classChange {
	changes := c.classify()
	c.listAll()
	return changes
}

func (c *Compiler) takeDelta() *Delta {
	delta := c.delta
	c.delta = newDelta()
	return &delta
}

// Stats is how large the compiled state is, for metrics.
type Stats struct {
	// Policies and Pods are what the Compiler was told of, of the whole cluster.
	Policies, Pods int
	// Endpoints are the addresses somebody has; Listed are those of them that
	// need an entry because their class is not that of their network.
	Endpoints, Listed int
	// Networks are the ranges of addresses outside of endpoints.
	Networks int
	Classes  int
	Stacks   int
	// Rows are the entries of all stacks; DistinctRows the rows they refer to.
	Rows, DistinctRows int
	// Subjects are addresses of local pods that some policy applies to.
	Subjects int
}

// Stats returns the sizes as of the last Update.
func (c *Compiler) Stats() Stats {
	s := Stats{
		Policies: len(c.policies), Pods: c.podCount,
		Endpoints: len(c.endpoints), Listed: len(c.ruleset.Endpoints), Networks: len(c.ruleset.Networks),
		Classes: len(c.classes), Stacks: len(c.stacks), Subjects: len(c.ruleset.Subjects),
	}
	for _, stack := range c.ruleset.Stacks {
		s.Rows += len(stack.Rows)
		s.DistinctRows += len(stack.Table)
	}
	return s
}

// listNetworks brings the Ruleset's networks up to date.
func (c *Compiler) listNetworks() {
	if !c.networksChanged {
		return
	}
	c.networksChanged = false
	var ranges []NetworkRange
	for _, r := range c.networks.ranges {
		next := NetworkRange{r.first, r.last, r.segment.network.class.id}
		ranges = append(ranges, next)
	}
	if !slices.Equal(ranges, c.ruleset.Networks) {
		c.ruleset.Networks = ranges
		c.delta.Networks = true
	}
}

// SetPod adds a pod or replaces what is known of it.
func (c *Compiler) SetPod(pod Pod) {
	ns := c.namespace(pod.Namespace)
	old := ns.pods[pod.Name]
	p := &podState{
		name: pod.Name, namespace: ns, node: pod.Node, created: pod.Created, addresses: pod.Addresses,
		labels: c.internLabels(pod.Labels), ports: c.internPorts(pod.Ports),
	}
	ns.pods[p.name] = p
	c.podCount++
	c.identify(p)
	for _, a := range p.addresses {
		c.claim(a, p)
	}
	c.subjectFor(p, p.node == c.nodeName)
	if p.subject != nil {
		c.touchSubjectAddresses(p.addresses)
	}
	if old != nil {
		c.removePod(old)
	}
}

// PodAddresses returns the addresses that a pod was set with; none if it is
// unknown. The caller must not change them.
func (c *Compiler) PodAddresses(namespace, name string) []netip.Addr {
	if p := c.pod(namespace, name); p != nil {
		return p.addresses
	}
	return nil
}

// DeletePod forgets a pod; it may be unknown.
func (c *Compiler) DeletePod(namespace, name string) {
	if p := c.pod(namespace, name); p != nil {
		delete(p.namespace.pods, name)
		c.removePod(p)
	}
}

// pod returns a pod; nil if it is unknown.
func (c *Compiler) pod(namespace, name string) *podState {
	if ns := c.namespaces[namespace]; ns != nil {
		return ns.pods[name]
	}
	return nil
}

// removePod takes everything away from a pod that is not in its namespace any more.
func (c *Compiler) removePod(p *podState) {
	for _, a := range p.addresses {
		c.unclaim(a, p)
	}
	if p.subject != nil {
		c.touchSubjectAddresses(p.addresses)
	}
	c.subjectFor(p, false)
	c.unidentify(p)
	c.releaseLabels(p.labels)
	c.releasePorts(p.ports)
	c.podCount--
	c.dropNamespaceIfUnused(p.namespace)
}

// namespace returns the state of a namespace, which may be known only from its
// pods.
func (c *Compiler) namespace(name string) *namespaceState {
	ns := c.namespaces[name]
	if ns == nil {
		ns = &namespaceState{name: name, pods: map[string]*podState{}, identities: map[*identity]struct{}{}, subjects: map[*subjectState]struct{}{}}
		c.namespaces[name] = ns
	}
	return ns
}

func (c *Compiler) dropNamespaceIfUnused(ns *namespaceState) {
	if !ns.known && len(ns.pods) == 0 {
		delete(c.namespaces, ns.name)
	}
}

// SetNamespace sets the labels of a namespace.
func (c *Compiler) SetNamespace(name string, l labels.Set) {
	ns := c.namespace(name)
	ns.known = true
	c.relabelNamespace(ns, l)
}

// DeleteNamespace forgets the labels of a namespace; it may be unknown. Pods
// that are still in it stay.
func (c *Compiler) DeleteNamespace(name string) {
	ns := c.namespaces[name]
	if ns == nil {
		return
	}
	ns.known = false
	c.relabelNamespace(ns, nil)
	c.dropNamespaceIfUnused(ns)
}

func (c *Compiler) relabelNamespace(ns *namespaceState, l labels.Set) {
	if labels.Equals(ns.labels, l) {
		return
	}
	ns.labels = l
	for id := range ns.identities {
		c.refresh(id)
	}
	for s := range ns.subjects {
		c.refreshSubject(s)
	}
}

// SetNode adds a node or replaces what is known of it.
func (c *Compiler) SetNode(node Node) {
	n, known := c.nodes[node.Name]
	if !known {
		n = &nodeState{}
		c.nodes[node.Name] = n
	}
	relabelled := !labels.Equals(n.node.Labels, node.Labels)
	c.moveNode(n, node.Addresses)
	n.node = node
	c.touchedNodes[n] = struct{}{}
	if !known || relabelled {
		c.refreshNode(node.Name)
	}
}

// DeleteNode forgets a node; it may be unknown.
func (c *Compiler) DeleteNode(name string) {
	n := c.nodes[name]
	if n == nil {
		return
	}
	c.moveNode(n, nil)
	delete(c.nodes, name)
	delete(c.touchedNodes, n)
	c.refreshNode(name)
}

// moveNode replaces the node's addresses.
func (c *Compiler) moveNode(n *nodeState, addresses []netip.Addr) {
	if slices.Equal(n.node.Addresses, addresses) {
		return
	}
	for _, a := range n.node.Addresses {
		o := c.endpointAt(a).otherOwners()
		o.nodes = slices.DeleteFunc(o.nodes, func(m *nodeState) bool { return m == n })
	}
	for _, a := range addresses {
		if o := c.endpointAt(a).otherOwners(); !slices.Contains(o.nodes, n) {
			o.nodes = append(o.nodes, n)
		}
	}
}

// refreshNode has everything matched anew that looks at the node's labels.
func (c *Compiler) refreshNode(name string) {
	for _, id := range c.identities {
		if id.key.node == name {
			c.refresh(id)
		}
	}
	if name == c.nodeName {
		for _, s := range c.subjects {
			c.refreshSubject(s)
		}
	}
}

// SetPolicy adds a policy or replaces the one with the same key. The policy must
// not be changed afterwards.
func (c *Compiler) SetPolicy(policy *Policy) { c.pending[policy.Key] = policy }

// DeletePolicy forgets a policy; it may be unknown.
func (c *Compiler) DeletePolicy(key PolicyKey) { c.pending[key] = nil }
