"use strict";

// ---------------------------------------------------------------- elements
// All text goes in as text nodes: what others named is never read as HTML.

const SVG = "http://www.w3.org/2000/svg";
const find = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

const make = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const icon = (name, className = "") =>
  draw("svg", { class: `icon ${className}`, "aria-hidden": "true" }, draw("use", { href: `#icon-${name}` }));

function press(label, action, className = "quiet") {
  const button = make("button", { type: "button", class: className }, label);
  button.addEventListener("click", action);
  return button;
}

const NUMBER = new Intl.NumberFormat("en");
const number = (value) => NUMBER.format(value);
const count = (value, noun) => `${value ? number(value) : "no"} ${value === 1 ? noun : `${noun}s`}`;
const joined = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;

// ---------------------------------------------------------------- what was found

const data = JSON.parse(find("data").textContent);
const KINDS = Object.keys(data.kinds);
const FAMILIES = Object.keys(data.families);
const kindOf = (name) => data.kinds[name] || { family: "untidy", title: name, meaning: "" };
const rank = (name) => (KINDS.indexOf(name) + KINDS.length + 1) % (KINDS.length + 1);
const UNDECIDED = "cannot decide";
const REFUSED = "annotated, but refused";
// How a service account and a role may stand to each other, each with the class of its ribbon.
const WAYS = [["allowed", "allowed"], [UNDECIDED, "undecided"], [REFUSED, "refused"]];
const [ALLOWED_WAY, , REFUSED_WAY] = WAYS.keys();
const DAY = 86400000;

// arn:PARTITION:iam::NUMBER:role/PATH/NAME
const awsAccountOf = (arn) => arn.split(":")[4] || "";
const nameOf = (arn) => arn.slice(arn.lastIndexOf("/") + 1);

const accounts = data.serviceAccounts.map((each, index) => ({
  ...each, index, id: `${each.namespace}/${each.name}`, findings: [], groups: [], allowed: 0, undecided: 0, first: [],
}));
const roleOf = (each, index) => ({
  ...each, index, name: nameOf(each.arn), awsAccount: awsAccountOf(each.arn), findings: [], admissions: [], refusals: [],
  annotated: 0, allowed: 0, undecided: 0, clusters: new Set(), namespaces: new Set(), first: [],
});
const roles = data.roles.map(roleOf);
const existing = new Set(data.roles.map((each) => each.arn));
// The roles of annotations that do not exist are in the picture alone.
const missing = new Set(data.findings.filter((each) => each.kind === "missing-role" && !existing.has(each.role)).map((each) => each.role));
const drawable = [...roles, ...[...missing].map((arn, index) => roleOf({ arn, missing: true }, roles.length + index))];
const accountBy = new Map(accounts.map((each) => [`${each.cluster}\n${each.id}`, each]));
const roleBy = new Map(drawable.map((each) => [each.arn, each]));
const admissionsOfGroup = data.groups.map(() => []);
const admissions = data.admissions.map((each) => ({
  ...each, role: roleBy.get(each.role), group: each.serviceAccounts, members: data.groups[each.serviceAccounts],
  undecided: each.decision === UNDECIDED,
}));

const places = new Map();
for (const each of accounts) {
  const place = `${each.cluster}\n${each.namespace}`;
  if (!places.has(place)) places.set(place, places.size);
  each.place = places.get(place);
}
data.groups.forEach((members, group) => members.forEach((index) => accounts[index].groups.push(group)));
for (const each of admissions) {
  admissionsOfGroup[each.group].push(each);
  each.role.admissions.push(each);
  each.role.clusters.add(each.cluster);
}
// A role may answer for one service account in two ways, by the audience: who is allowed with one of them is allowed.
const stamps = new Int32Array(accounts.length);
let stamp = 0;
for (const role of roles) {
  role.admissions.sort((a, b) => a.undecided - b.undecided);
  stamp += 1;
  for (const each of role.admissions) {
    for (const index of each.members) {
      if (stamps[index] === stamp) continue;
      stamps[index] = stamp;
      const account = accounts[index];
      const counter = each.undecided ? "undecided" : "allowed";
      role[counter] += 1;
      account[counter] += 1;
      if (account.first.length < 2) account.first.push(role.name);
      if (role.first.length < 2) role.first.push(account.id);
      role.namespaces.add(account.place);
    }
  }
}
for (const account of accounts) {
  const role = roleBy.get(account.annotatedRole);
  if (role) {
    role.annotated += 1;
    role.clusters.add(account.cluster);
  }
}
const findings = data.findings
  .map((each) => ({
    ...each, account: accountBy.get(`${each.cluster}\n${each.serviceAccount}`), at: roleBy.get(each.role),
  }))
  .sort((a, b) => rank(a.kind) - rank(b.kind));
for (const each of findings) {
  if (each.account) each.account.findings.push(each);
  if (each.at) {
    each.at.findings.push(each);
    if (each.cluster) each.at.clusters.add(each.cluster);
    if (each.account && ["not-admitted", "misspelled-subject", "missing-role"].includes(each.kind)) {
      each.at.refusals.push({ role: each.at, cluster: each.cluster, decision: REFUSED, members: [each.account.index], words: REFUSED });
    }
  }
}
for (const each of data.associations || []) {
  const account = accountBy.get(`${each.cluster}\n${each.serviceAccount}`);
  if (account) account.association = each;
}
const isUnread = (account) => account.findings.some((each) => each.kind === "unseen-account");
// How far a role reaches, the widest last.
const REACHES = [
  ["one service account each", "1 account"], ["several of one namespace", "namespace"],
  ["several namespaces", "namespaces"], ["several clusters", "clusters"], ["admit nobody", "nobody"],
  ["do not exist", "missing"],
];
const admitted = (role) => role.allowed + role.undecided;
for (const role of drawable) {
  const clusters = new Set(role.admissions.map((each) => each.cluster)).size;
  role.reach = role.missing ? 5 : !clusters ? 4 : clusters > 1 ? 3 : role.namespaces.size > 1 ? 2 : admitted(role) > 1 ? 1 : 0;
}
const clusterNames = data.clusters.map((each) => each.name);
const awsAccounts = data.awsAccounts.map((each) => each.number);
const withStacks = [...accounts, ...roles].some((each) => each.managed) || findings.some((each) => each.kind === "unmanaged");

const lower = (...texts) => texts.join("\n").toLowerCase();
const titles = (item) => item.findings.map((each) => kindOf(each.kind).title).join("\n");
const answerWords = (item) => `${item.allowed ? "allowed" : ""}\n${item.undecided ? UNDECIDED : ""}`;
for (const each of accounts) {
  // What nothing concerns, or a pattern alone, is folded.
  each.fold = data.standings[each.index] === "without" ? "without IRSA"
    : each.annotatedRole || each.association || each.findings.length ? "" : "without an annotation, which roles admit or may admit";
  each.words = lower(each.id, each.cluster, each.annotatedRole, each.audience, titles(each), answerWords(each));
}
for (const each of drawable) each.words = lower(each.arn, each.lastUsed, titles(each), answerWords(each));
for (const each of admissions) each.words = lower(each.reason, ...each.audiences);
for (const each of findings) {
  const kind = kindOf(each.kind);
  each.words = lower(kind.title, each.kind, data.families[kind.family], each.cluster, each.serviceAccount, each.role,
    each.provider, each.found, each.expected, each.fix);
}

// ---------------------------------------------------------------- what is shown

const filter = { text: "", cluster: "", decision: "", kind: "", pick: null };
const isSearched = () => Boolean(filter.text || filter.decision || filter.kind || filter.pick);
const isFiltered = () => Boolean(filter.cluster) || isSearched();
const ofKind = (item) =>
  !filter.kind || (filter.kind === "any" ? item.findings.length > 0 : item.findings.some((each) => each.kind === filter.kind));

// Return the accounts, roles and admissions that the filters leave. A pair of account and role is left where both may
// be, and where one of them, or the reason, has the text.
function selected() {
  const { text, cluster, decision, pick } = filter;
  const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (item) => terms.every((term) => item.words.includes(term));
  const accountMay = accounts.map((each) =>
    (!cluster || each.cluster === cluster) && (!pick || !pick.accounts || pick.accounts.has(each.index)));
  const accountHas = accounts.map(has);
  const accountKind = accounts.map(ofKind);
  const accountPaired = new Uint8Array(accounts.length);
  const rolePaired = new Uint8Array(drawable.length);
  const pairs = [];
  for (const each of drawable.flatMap((role) => [...role.admissions, ...role.refusals])) {
    const role = each.role;
    if (decision === "none" || (decision && each.decision !== decision) || (cluster && each.cluster !== cluster)) continue;
    if (pick && pick.roles && !pick.roles.has(role.index)) continue;
    const whole = !terms.length || has(role) || has(each);
    const roleKind = ofKind(role);
    const members = each.members.filter((index) =>
      accountMay[index] && (whole || accountHas[index]) && (roleKind || accountKind[index]));
    if (!members.length) continue;
    rolePaired[role.index] = 1;
    for (const index of members) accountPaired[index] = 1;
    pairs.push({ role, way: WAYS.findIndex(([name]) => name === each.decision), members });
  }
  const needsPair = decision && decision !== "none";
  const left = (item, may, words, paired, needed) => {
    if (!may || !ofKind(item)) return false;
    if (decision === "none" && item.allowed + item.undecided) return false;
    return paired || (!needed && words);
  };
  const shownAccounts = accounts.filter((each, index) =>
    left(each, accountMay[index], accountHas[index], accountPaired[index], needsPair || (pick && pick.roles)));
  const shownRoles = roles.filter((each, index) =>
    left(each, (!cluster || each.clusters.has(cluster)) && (!pick || !pick.roles || pick.roles.has(index)), has(each),
      rolePaired[index], needsPair || (pick && pick.accounts)));
  const shownFindings = findings.filter((each) =>
    (!cluster || !each.cluster || each.cluster === cluster) && (!filter.kind || filter.kind === "any" || each.kind === filter.kind)
    && has(each)
    && (!pick || !pick.accounts || (each.account && pick.accounts.has(each.account.index)))
    && (!pick || !pick.roles || (each.at && pick.roles.has(each.at.index))));
  return { accounts: shownAccounts, roles: shownRoles, findings: shownFindings, pairs };
}

// ---------------------------------------------------------------- parts of more than one place

const answer = (undecided, text) =>
  make("span", { class: `answer ${undecided ? "undecided" : "allowed"}` }, icon(undecided ? "undecided" : "allowed"),
    make("span", {}, text));

// What the reader opened or closed stays so.
const opened = new Map();
function disclosure(key, open, attributes, summary, ...children) {
  const details = make("details", { ...attributes, open: opened.has(key) ? opened.get(key) : open },
    make("summary", {}, icon("open", "turn"), ...summary), ...children);
  details.firstChild.addEventListener("click", () => opened.set(key, !details.open));
  return details;
}

const tone = (family, ...children) => make("span", { class: `tone is-${family}` }, icon(family), ...children);

// Append the first of many, and a button that appends the rest.
function appendSome(list, items, limit, element, noun) {
  list.append(...items.slice(0, limit).map(element));
  if (items.length <= limit) return list;
  const rest = make(list.tagName === "UL" ? "li" : "div", { class: "rest" });
  rest.append(press(`Show all ${count(items.length, noun)}`, () => {
    rest.remove();
    const more = items.slice(limit).map(element);
    list.append(...more);
    more[0].tabIndex = -1;
    more[0].focus();
  }));
  list.append(rest);
  return list;
}

// Only a page of AWS or Kubernetes is linked: the address is part of what was read.
const linked = (address) =>
  /^https:\/\//.test(address)
    ? make("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, "Documentation",
        make("span", { class: "unseen-text" }, " (opens in a new tab)"))
    : "";

function reason(each, ...head) {
  const audiences = each.audiences.length
    ? make("p", { class: "muted" }, each.audiences.length === 1 ? "Audience " : "Audiences ",
        each.audiences.map((name, index) => [index ? ", " : "", make("code", {}, name)]))
    : "";
  return make("li", { class: `reason ${each.undecided ? "undecided" : ""}` },
    make("div", { class: "head" }, answer(each.undecided, each.undecided ? "Cannot decide" : "Allowed"), ...head),
    make("p", { class: "why" }, each.reason, " ", linked(each.documentation)), audiences);
}

const problems = (item) =>
  item.findings.length
    ? make("div", {}, make("h4", {}, "Findings"), appendSome(make("ul", { class: "problems" }), item.findings, 10,
        (each) => make("li", {}, tone(kindOf(each.kind).family, make("span", {}, make("b", {}, kindOf(each.kind).title), each.found ? ": " : "", each.found))),
        "finding"))
    : "";

function facts(rows) {
  const list = make("dl", { class: "facts" });
  for (const [name, value] of rows.filter(([, each]) => each)) list.append(make("dt", {}, name), make("dd", {}, value));
  return list;
}

const pickAccount = (account) => choose({ label: `Service account ${account.id} of ${account.cluster}`, key: `account ${account.index}`, accounts: new Set([account.index]) });
const pickRole = (role) => choose({ label: `Role ${role.arn}`, key: `role ${role.index}`, roles: new Set([role.index]) });

// ---------------------------------------------------------------- heading

function heading() {
  const [first] = clusterNames;
  document.title = `Who may assume what: ${clusterNames.length === 1 ? first : count(clusterNames.length, "cluster")}`;
  const bold = (names) => names.map((name, index) => [index === 0 ? "" : index === names.length - 1 ? " and " : ", ", make("b", { class: "name" }, name)]);
  const some = (names, noun) => (names.length > 6 ? [make("b", {}, count(names.length, noun))] : [names.length === 1 ? `${noun} ` : `${noun}s `, bold(names)]);
  fill(find("scope"), {}, [data.leftOut ? "Service accounts of " : "Every service account of ", some(clusterNames, "cluster"), ", and the roles of ", some(awsAccounts, "AWS account"),
    " that could admit it. Read on ", make("time", { datetime: data.written }, data.writtenText), data.leftOut ? `; ${data.leftOut}.` : "."]);
  for (const [noun, all] of [["finding", findings], ["service account", accounts]]) {
    find("totals").append(make("div", {}, make("p", {}, make("b", {}, number(all.length)), ` ${noun}${all.length === 1 ? "" : "s"}`),
      make("dl", {}, data.totals[noun].map(([key, value, label]) =>
        make("div", { class: value ? `is-${key}` : "" }, make("dt", {}, label), make("dd", {}, number(value)))))));
  }
  if (data.notChecked.length) {
    const section = find("not-checked");
    section.hidden = false;
    find("not-checked-title").append(icon("access"), `Not checked: ${data.notChecked.length}`);
    appendSome(section.querySelector("ul"), data.notChecked, 20, (each) => make("li", {}, each), "gap");
  }
}

// ---------------------------------------------------------------- picture

const ALONE = 30;
const MOST = 22;
const ruler = document.createElement("canvas").getContext("2d");
let pictured = null;

// Return a text that fits: names of one team differ at their end, so that the middle is left out.
function fitted(text, width, size) {
  ruler.font = `${size}px system-ui, sans-serif`;
  if (ruler.measureText(text).width <= width) return text;
  const kept = (length) => `${text.slice(0, Math.floor(length / 3))}\u2026${text.slice(text.length - Math.ceil((length * 2) / 3))}`;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ruler.measureText(kept(middle)).width <= width) low = middle;
    else high = middle - 1;
  }
  return low ? kept(low) : "";
}

// Return the nodes of accounts: one for each, or for each namespace, the largest first and the rest as one.
function accountNodes(paired) {
  if (paired.length <= ALONE) {
    const place = (each) => `${clusterNames.indexOf(each.cluster)}\n${each.id}`;
    return [...paired].sort((a, b) => compared(place(a), place(b))).map((each) => ({
      key: `account ${each.index}`, label: each.name, group: clusterNames.length > 1 ? `${each.namespace} \u00b7 ${each.cluster}` : each.namespace,
      cluster: each.cluster, members: [each], pick: () => pickAccount(each), title: `Service account ${each.id} of cluster ${each.cluster}`,
    }));
  }
  const byNamespace = Map.groupBy(paired, (each) => `${each.cluster}\n${each.namespace}`);
  const all = [...byNamespace.values()].sort((a, b) => b.length - a.length);
  const own = all.length <= MOST ? all : all.slice(0, MOST - 1);
  const rest = all.slice(own.length);
  const node = (members, label, title) => ({
    key: `namespace ${members[0].cluster} ${label}`, label, cluster: members[0].cluster, members, title, counted: true,
    pick: () => choose({ label: title, key: `namespace ${members[0].cluster} ${label}`, accounts: new Set(members.map((each) => each.index)) }),
  });
  const nodes = own.map((members) => node(members, members[0].namespace, `Namespace ${members[0].namespace} of cluster ${members[0].cluster}`));
  nodes.sort((a, b) => clusterNames.indexOf(a.cluster) - clusterNames.indexOf(b.cluster) || b.members.length - a.members.length);
  if (rest.length) {
    const name = `${number(rest.length)} more namespaces`;
    nodes.push({ ...node(rest.flat(), name, name), cluster: null, short: `${number(rest.length)} more` });
  }
  return nodes;
}

// Return the nodes of roles: one for each, or for each AWS account and reach.
function roleNodes(paired) {
  const groups = [...Map.groupBy(paired, (each) => each.awsAccount)].sort((a, b) => b[1].length - a[1].length);
  const node = (members, label, title, awsAccount, more) => ({
    label, title, awsAccount, members, key: `roles ${title}`, counted: true,
    group: awsAccount && `AWS account ${awsAccount}`, missing: members.every((each) => each.missing),
    marks: [
      members.some((each) => each.findings.some((one) => one.kind === "wide-trust")) && "access",
      members.some((each) => each.refusals.length) && "broken",
    ].filter(Boolean),
    pick: () => choose({ label: title, key: `roles ${title}`, roles: new Set(members.map((each) => each.index)) }),
    ...more,
  });
  if (paired.length <= ALONE) {
    return groups.flatMap(([awsAccount, members]) => members.map((each) =>
      node([each], each.missing ? `${each.name} (missing)` : each.name, `Role ${each.arn}`, awsAccount,
        { key: `role ${each.index}`, short: each.name, counted: false, pick: () => pickRole(each) })));
  }
  if (groups.length > 6) {
    const own = groups.slice(0, MOST - 1);
    const rest = groups.slice(own.length).flatMap(([, members]) => members);
    const nodes = own.map(([awsAccount, members]) => node(members, awsAccount, `Roles of AWS account ${awsAccount}`, awsAccount, { group: "" }));
    const name = `${number(groups.length - own.length)} more AWS accounts`;
    return rest.length ? [...nodes, node(rest, name, name, "")] : nodes;
  }
  return groups.flatMap(([awsAccount, members]) => [...Map.groupBy(members, (each) => each.reach)].sort(([a], [b]) => a - b)
    .map(([reach, its]) => node(its, REACHES[reach][0], `Roles of AWS account ${awsAccount}: ${REACHES[reach][0]}`, awsAccount, { short: REACHES[reach][1] })));
}

// Return the columns and the ribbons between them.
function flowOf(pairs) {
  const admittedOnes = new Set();
  const refusedOnes = new Set();
  for (const each of pairs) {
    const ones = each.way === REFUSED_WAY ? refusedOnes : admittedOnes;
    for (const index of each.members) ones.add(index);
  }
  const inPairs = [...new Set([...admittedOnes, ...refusedOnes])];
  const middle = accountNodes(inPairs.sort((a, b) => a - b).map((index) => accounts[index]));
  let right = roleNodes([...new Set(pairs.map((each) => each.role))]);
  const nodeOfAccount = new Int32Array(accounts.length);
  middle.forEach((node, index) => node.members.forEach((each) => { nodeOfAccount[each.index] = index; }));
  const nodeOfRole = new Int32Array(drawable.length);
  right.forEach((node, index) => node.members.forEach((each) => { nodeOfRole[each.index] = index; }));
  const width = middle.length;
  const amounts = new Float64Array(width * right.length * WAYS.length);
  let last = null;
  for (const each of pairs) {
    const target = nodeOfRole[each.role.index];
    if (each.role !== last) stamp += 1;
    last = each.role;
    for (const index of each.members) {
      // Who is refused with the token that the webhook mounts may be allowed with another.
      if (each.way !== REFUSED_WAY && stamps[index] === stamp) continue;
      stamps[index] = stamp;
      amounts[(target * width + nodeOfAccount[index]) * WAYS.length + each.way] += 1;
    }
  }
  const ribbons = [...amounts.entries()].filter(([, amount]) => amount).map(([key, amount]) => ({
    way: key % WAYS.length, from: middle[Math.floor(key / WAYS.length) % width], to: right[Math.floor(key / WAYS.length / width)], amount,
  }));
  // A role stands where most of its accounts are, within its AWS account.
  middle.forEach((node, index) => { node.order = index; });
  for (const node of right) node.sum = node.weight = 0;
  for (const each of ribbons) {
    each.to.sum += each.from.order * each.amount;
    each.to.weight += each.amount;
  }
  if (right.length && right[0].key.startsWith("role ")) {
    const position = new Map();
    right.forEach((node) => { if (!position.has(node.group)) position.set(node.group, position.size); });
    right = right.sort((a, b) => position.get(a.group) - position.get(b.group) || a.sum / a.weight - b.sum / b.weight);
  }
  const hueOfCluster = (name) => (clusterNames.length > 1 ? `hue-${clusterNames.indexOf(name) % 6}` : "hue-0");
  const left = clusterNames.filter((name) => middle.some((node) => node.members.some((each) => each.cluster === name))).map((name) => ({
    key: `cluster ${name}`, label: name, members: [], title: `Cluster ${name}`, hue: hueOfCluster(name),
    pick: () => { find("cluster").value = filter.cluster === name ? "" : name; changed(); },
  }));
  for (const node of middle) {
    node.hue = node.cluster === null ? "hue-none" : hueOfCluster(node.cluster);
    for (const from of left) {
      const amount = node.members.filter((each) => each.cluster === from.label).length;
      if (!amount) continue;
      from.members = from.members.concat(node.members.filter((each) => each.cluster === from.label));
      ribbons.push({ from, to: node, amount, way: ALLOWED_WAY });
    }
  }
  for (const node of right) node.hue = clusterNames.length > 1 ? "hue-none" : "hue-0";
  return { columns: [left, middle, right], ribbons, admittedOnes, refusedOnes, admitting: new Set(pairs.filter((each) => each.way !== REFUSED_WAY).map((each) => each.role)) };
}

function drawFlow(pairs, keepFocus = false) {
  const holder = find("flow");
  const W = Math.max(300, Math.floor(holder.clientWidth));
  const narrow = W < 640;
  const focused = keepFocus && holder.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const flow = flowOf(pairs);
  const { columns, ribbons } = flow;
  pictureText(flow);
  if (!pairs.length) {
    holder.replaceChildren(make("p", { class: "nothing" }, isFiltered() ? "No access matches the filters." : "No role admits any service account."));
    pictured = { pairs, width: holder.clientWidth };
    return;
  }
  const wish = narrow ? [0.075, 0.36, 0.36] : [0.14, 0.22, 0.26];
  const sizes = wish.map((share) => Math.floor(W * share));
  const gap = (W - sizes[0] - sizes[1] - sizes[2]) / 2;
  const starts = [0, sizes[0] + gap, W - sizes[2]];
  const LEAST = 21;
  const BETWEEN = 5;
  const GROUP = 22;
  const TOP = 26;
  const groupsOf = (nodes) => nodes.filter((node, index) => node.group && (!index || nodes[index - 1].group !== node.group)).length;
  const least = (nodes) => nodes.length * (LEAST + BETWEEN) + groupsOf(nodes) * GROUP;
  const H = Math.max(narrow ? 260 : 300, Math.min(560, 30 * Math.max(...columns.map((nodes) => nodes.length))), ...columns.map(least));
  columns.forEach((nodes, column) => {
    const total = nodes.reduce((sum, node) => sum + Math.sqrt(node.members.length), 0) || 1;
    // A column of few does not fill the height with boxes that say nothing.
    const most = nodes.length * 84;
    const spare = Math.max(0, Math.min(H - least(nodes), column === 0 ? H : most));
    const used = least(nodes) - BETWEEN + spare;
    let y = TOP + Math.max(0, (H - used) / 2);
    let group = null;
    for (const node of nodes) {
      if (node.group && node.group !== group) {
        node.heading = y + 14;
        y += GROUP;
        group = node.group;
      }
      Object.assign(node, { x: starts[column], y, w: sizes[column], h: LEAST + (spare * Math.sqrt(node.members.length)) / total, column, into: [], out: [] });
      y += node.h + BETWEEN;
    }
  });
  for (const each of ribbons) {
    each.from.out.push(each);
    each.to.into.push(each);
  }
  for (const node of columns.flat()) {
    for (const [list, other, start, end] of [[node.out, "to", "y0", "t0"], [node.into, "from", "y1", "t1"]]) {
      list.sort((a, b) => a[other].y - b[other].y || a.way - b.way);
      const total = list.reduce((sum, each) => sum + each.amount, 0);
      let y = node.y + 1;
      for (const each of list) {
        each[start] = y;
        each[end] = ((node.h - 2) * each.amount) / total;
        y += each[end];
      }
    }
  }
  const root = draw("svg", { class: narrow ? "narrow" : null, viewBox: `0 0 ${W} ${TOP + H + 2}`, role: "group", "aria-label": "Clusters, service accounts and roles. Arrow keys move, Enter filters." },
    draw("defs", {}, draw("pattern", { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      draw("rect", { class: "hatch-ground", width: 6, height: 6 }), draw("path", { class: "hatch-line", d: "M0 0V6" }))));
  const single = columns[1][0] && columns[1][0].counted;
  const titlesOfColumns = [narrow ? "" : clusterNames.length > 1 ? "Clusters" : "Cluster", single ? "Namespaces" : "Service accounts", narrow ? "Roles" : "Roles by AWS account"];
  titlesOfColumns.forEach((title, column) => root.append(draw("text", { class: "column", x: starts[column], y: 12 }, title)));
  ribbons.sort((a, b) => a.way - b.way || b.amount - a.amount);
  for (const each of ribbons) {
    const x0 = each.from.x + each.from.w;
    const x1 = each.to.x;
    const m = (x0 + x1) / 2;
    // A ribbon of one among many stays visible.
    const t0 = Math.max(each.t0, 1.2);
    const t1 = Math.max(each.t1, 1.2);
    each.element = draw("path", {
      class: `ribbon ${each.from.hue} ${WAYS[each.way][1]}`,
      d: `M${x0} ${each.y0}C${m} ${each.y0} ${m} ${each.y1} ${x1} ${each.y1}v${t1}C${m} ${each.y1 + t1} ${m} ${each.y0 + t0} ${x0} ${each.y0 + t0}z`,
    });
    // Hatching shows on what is broad enough for it.
    if (WAYS[each.way][0] === UNDECIDED && Math.max(t0, t1) > 5) each.element.style.fill = "url(#hatch)";
    each.element.addEventListener("pointerenter", () => light(root, each));
    root.append(each.element);
  }
  const nodes = columns.flat();
  let group = null;
  nodes.forEach((node, index) => {
    if (node.heading) {
      if (node.group !== group) root.append(draw("text", { class: "group", x: node.x, y: node.heading }, fitted(narrow ? node.group.replace("AWS account ", "") : node.group, node.w, 11.5)));
      group = node.group;
    }
    const size = narrow ? 11.5 : 12.5;
    const pad = narrow ? 8 : 12;
    const counted = node.column === 0 ? "" : node.counted ? number(node.members.length) : "";
    ruler.font = "12px system-ui, sans-serif";
    const wanted = counted ? ruler.measureText(counted).width + 10 : 0;
    const marks = node.marks || [];
    const mark = 18 * marks.length;
    const label = (narrow && node.short) || node.label;
    // Names of clusters are written upwards where there is little place.
    const upwards = narrow && node.column === 0;
    const width = upwards ? node.h : node.w;
    const whole = fitted(label, width - 2 * pad - wanted - mark, size) === label;
    // Where there is no place for both, the name is more than the number.
    const room = whole || !narrow ? wanted : 0;
    const y = node.y + node.h / 2 + 4.2;
    const refused = !narrow && node.column === 2 && node.into.find((each) => each.way === REFUSED_WAY);
    if (refused) root.append(draw("text", { class: "refused-text", x: node.x - 8, y: refused.y1 + refused.t1 / 2 + 4 }, "refused"));
    node.element = draw("g", { class: `node ${node.hue} ${node.missing ? "missing" : ""}`, role: "button", tabindex: index ? "-1" : "0", "data-key": node.key, "aria-label": sentence(node),
      "aria-pressed": String(isPicked(node)) },
      draw("rect", { class: "box", x: node.x + 0.5, y: node.y + 0.5, width: node.w - 1, height: node.h - 1, rx: 5 }),
      draw("rect", { class: "stripe", x: node.column === 2 ? node.x : node.x + node.w - 4, y: node.y, width: 4, height: node.h, rx: 2 }),
      marks.map((name, at) => draw("svg", { class: `icon mark is-${name}`, x: node.x + pad + 18 * at, y: y - 11, width: 13, height: 13 }, draw("use", { href: `#icon-${name}` }))),
      draw("text", { class: "label", ...(upwards ? { transform: `translate(${node.x + node.w / 2 + 2} ${node.y + node.h - pad}) rotate(-90)` } : { x: node.x + pad + mark, y }) },
        fitted(label, width - 2 * pad - room - mark, size)),
      room ? draw("text", { class: "count", x: node.x + node.w - pad, y }, counted) : null,
      draw("title", {}, node.title));
    node.element.addEventListener("pointerenter", () => light(root, node));
    node.element.addEventListener("focus", () => { light(root, node); rove(nodes, node); });
    node.element.addEventListener("click", node.pick);
    node.element.addEventListener("keydown", (event) => moveInFlow(event, columns, node));
    root.append(node.element);
  });
  root.addEventListener("pointerleave", () => light(root, null));
  root.addEventListener("focusout", () => light(root, null));
  holder.replaceChildren(root);
  pictured = { pairs, width: holder.clientWidth };
  light(root, null);
  if (focused) {
    const again = nodes.find((node) => node.key === focused) || nodes[0];
    rove(nodes, again);
    again.element.focus();
  }
}

const isPicked = (node) =>
  node.key.startsWith("cluster ") ? filter.cluster === node.label : Boolean(filter.pick && filter.pick.key === node.key);

function pictureText({ columns, admittedOnes, refusedOnes, admitting }) {
  const others = accounts.filter((each) => !admittedOnes.has(each.index) && !refusedOnes.has(each.index));
  const unread = others.filter(isUnread).length;
  find("picture-text").textContent = columns[1].length ? [
    admittedOnes.size ? `${count(admittedOnes.size, "service account")} and ${count(admitting.size, "role")} that admit them.` : "",
    refusedOnes.size ? `Annotated with a role that refuses them or does not exist: ${count(refusedOnes.size, "service account")}.` : "",
    !isFiltered() && others.length ? `Not drawn: ${count(others.length - unread, "other service account")}${unread ? `, and ${number(unread)} with a role that was not read` : ""}.` : "",
    columns[1][0].counted ? "Choose a box to see what is in it." : "",
  ].join(" ") : "";
  const swatch = (attributes) => draw("svg", { width: 22, height: 12, "aria-hidden": "true", class: "hue-0" }, draw("rect", { width: 22, height: 12, rx: 2, ...attributes }));
  const hatched = swatch({ class: "ribbon undecided" });
  hatched.firstChild.style.fill = "url(#hatch)";
  const items = [make("li", {}, swatch({ class: "ribbon" }), "allowed")];
  if (admissions.some((each) => each.undecided)) items.push(make("li", {}, hatched, UNDECIDED));
  if (drawable.some((each) => each.refusals.length)) items.push(make("li", { class: "is-broken" }, swatch({ class: "ribbon refused" }), tone("broken", make("span", { class: "muted" }, REFUSED))));
  if (findings.some((each) => each.kind === "wide-trust")) items.push(make("li", { class: "is-access" }, tone("access", make("span", { class: "muted" }, "open to a whole namespace or more"))));
  find("legend").replaceChildren(...(columns[1].length ? items : []));
}

function sentence(node) {
  if (node.column === 0) return `${node.title}: ${count(node.members.length, "service account")}`;
  const list = node.column === 1 ? node.out : node.into;
  const { marks = [] } = node;
  const sum = (way) => list.reduce((total, each) => total + (each.way === way ? each.amount : 0), 0);
  const its = count(node.members.length, node.column === 1 ? "service account" : "role");
  const what = node.counted ? `${its}, pairs of service account and role: ` : node.column === 1 ? "roles: " : "service accounts: ";
  const answered = WAYS.map(([name], way) => (sum(way) ? `${number(sum(way))} ${name}` : "")).filter(Boolean).join(", ");
  return `${node.title}: ${what}${answered}${marks.includes("access") ? ". Open to a whole namespace or more" : ""}${node.missing ? ". Does not exist" : ""}`;
}

// Highlight a node or a ribbon with all that leads to it and all that it leads to.
function light(root, what) {
  for (const each of root.querySelectorAll(".on")) each.classList.remove("on");
  root.classList.toggle("lit", Boolean(what));
  const status = find("picture-status");
  if (!what) {
    status.textContent = "";
    return;
  }
  const seen = new Set();
  const walk = (node, list, end) => {
    if (seen.has(node.key + end)) return;
    seen.add(node.key + end);
    node.element.classList.add("on");
    for (const each of node[list]) {
      each.element.classList.add("on");
      walk(each[end], list, end);
    }
  };
  if (what.from) {
    what.element.classList.add("on");
    walk(what.from, "into", "from");
    walk(what.to, "out", "to");
    status.textContent = what.to.column === 1
      ? `${what.from.title}, ${what.to.title}: ${count(what.amount, "service account")}`
      : `${what.from.title} \u2192 ${what.to.title}: ${what.from.counted || what.to.counted ? `${count(what.amount, "pair")} of service account and role, ` : ""}${WAYS[what.way][0]}`;
    return;
  }
  walk(what, "into", "from");
  walk(what, "out", "to");
  status.textContent = sentence(what);
}

function rove(nodes, node) {
  for (const each of nodes) each.element.setAttribute("tabindex", each === node ? "0" : "-1");
}

function moveInFlow(event, columns, node) {
  const nodes = columns[node.column];
  const index = nodes.indexOf(node);
  const beside = (column) => {
    const near = columns[column];
    return near && [...near].sort((a, b) => Math.abs(a.y + a.h / 2 - node.y - node.h / 2) - Math.abs(b.y + b.h / 2 - node.y - node.h / 2))[0];
  };
  const moves = {
    ArrowDown: () => nodes[index + 1], ArrowUp: () => nodes[index - 1], Home: () => nodes[0], End: () => nodes[nodes.length - 1],
    ArrowRight: () => beside(node.column + 1), ArrowLeft: () => beside(node.column - 1),
  };
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    node.pick();
  } else if (event.key === "Escape" && filter.pick) {
    choose(null);
  } else if (moves[event.key]) {
    event.preventDefault();
    const target = moves[event.key]();
    if (target) target.element.focus();
  }
}

// ---------------------------------------------------------------- findings

const FIRST = 5;

function showFindings(shown) {
  const text = shown.length === findings.length ? count(findings.length, "finding") : `${number(shown.length)} of ${count(findings.length, "finding")}`;
  find("findings-count").textContent = findings.length ? text : "";
  if (!shown.length) {
    find("findings").replaceChildren(make("p", { class: "nothing panel" }, findings.length ? "No finding matches the filters." : "Nothing was found that needs a change."));
    return;
  }
  find("findings").replaceChildren(...[...Map.groupBy(shown, (each) => each.kind)].map(([name, its], index) => group(name, its, index)));
}

function group(name, its, index) {
  const kind = kindOf(name);
  // The worst is open.
  const details = disclosure(`kind ${name}`, index === 0 || filter.kind === name, { class: `kind is-${kind.family}`, "data-kind": name },
    [make("h3", {}, kind.title), make("span", { class: "family" }, icon(kind.family), data.families[kind.family]), make("span", { class: "number" }, number(its.length))],
    kind.meaning ? make("p", { class: "meaning" }, kind.meaning) : null,
    ...its.slice(0, FIRST).map(finding));
  if (its.length > FIRST) {
    // Found by the browser's own search and printed, although not shown yet.
    const rest = make("div", { hidden: "until-found" });
    const more = make("div", { class: "more" });
    const show = () => {
      build();
      rest.removeAttribute("hidden");
      more.remove();
    };
    const build = () => { if (!rest.firstChild) rest.append(...its.slice(FIRST).map(finding)); };
    more.append(press(`Show all ${number(its.length)}`, () => {
      show();
      rest.firstChild.querySelector("button, .subject").focus();
    }));
    rest.addEventListener("beforematch", show);
    later.push(build);
    details.append(rest, more);
  }
  return details;
}

function finding(each) {
  const subjects = [];
  if (each.serviceAccount) {
    subjects.push(each.account ? press(each.serviceAccount, () => pickAccount(each.account), "link name") : make("span", { class: "name" }, each.serviceAccount));
  }
  if (each.role) subjects.push(each.at ? press(each.role, () => pickRole(each.at), "link mono") : make("code", {}, each.role));
  if (each.provider) subjects.push(make("code", {}, each.provider));
  return make("div", { class: "finding" },
    make("div", { class: "subject", tabindex: "-1" }, subjects, each.cluster ? make("small", {}, "Cluster ", make("span", { class: "name" }, each.cluster)) : ""),
    facts([["Found", each.found], ["Expected", each.expected]]),
    each.fix ? make("div", { class: "fix" }, make("span", {}, "Do"), make("code", { class: "command" }, each.fix)) : null);
}

// ---------------------------------------------------------------- tables

const CHUNK = 50;
const ROW = 46;

const compared = (a, b) => (typeof a === "number" ? a - b : a < b ? -1 : a > b ? 1 : 0);

function table(id, caption, columns, detail) {
  const heads = columns.map((column) => {
    const head = make("th", { scope: "col", role: "columnheader" });
    head.append(press(column.title, () => sort(column), ""));
    return head;
  });
  const element = make("table", { id, class: "grid", role: "table" }, make("caption", {}, caption),
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, heads)));
  const panel = find(`panel-${id}`);
  const state = { shown: [], column: columns[0], down: false, stale: true, run: 0, pending: null };

  function sort(column) {
    state.down = state.column === column ? !state.down : Boolean(column.downFirst);
    state.column = column;
    show(state.shown);
  }

  function row(item) {
    if (item.row) return item.row;
    const [first, ...others] = columns;
    const button = make("button", { type: "button", class: "disclose", "aria-expanded": "false", tabindex: "-1" }, icon("open"), make("span", {}, first.cell(item)));
    const cells = others.map((column) => {
      const content = column.cell(item);
      return make("td", { role: "cell", "data-title": column.title, class: content ? null : "empty" }, make("div", {}, content));
    });
    item.row = make("tr", { class: "row", role: "row" }, make("th", { scope: "row", role: "rowheader" }, button), ...cells);
    item.row.item = item;
    return item.row;
  }

  function toggle(item, open) {
    const button = item.row.querySelector(".disclose");
    if (open && !item.detail) {
      item.detail = make("tr", { class: "detail", role: "row", id: `${id}-${item.index}` },
        make("td", { role: "cell", colspan: columns.length, "aria-colspan": columns.length }, detail(item)));
      button.setAttribute("aria-controls", item.detail.id);
    }
    item.open = open;
    button.setAttribute("aria-expanded", String(open));
    if (open) item.row.after(item.detail);
    else if (item.detail) item.detail.remove();
  }

  function chunk(items) {
    const body = make("tbody", { role: "rowgroup" });
    for (const item of items) {
      body.append(row(item));
      if (item.open) body.append(item.detail);
    }
    // So that the scrollbar is right before the chunk was in view.
    body.style.setProperty("contain-intrinsic-size", `auto ${items.length * ROW}px`);
    return body;
  }

  // Folded rows open to what a search left of them.
  function fold(its, pour) {
    const [{ cluster, fold: what }] = its;
    const where = clusterNames.length > 1 ? [" of ", make("span", { class: "name" }, cluster)] : "";
    const rows = make("table", { class: "grid", role: "table", "aria-label": `${what}: ${cluster}` });
    const details = disclosure(`fold ${cluster} ${what} ${isSearched()}`, isSearched(), { class: "fold" },
      [make("span", {}, count(its.length, "service account"), where, ` ${what}`)], rows);
    details.firstChild.addEventListener("click", () => { state.pending(); reach(rows.querySelector("tr.row")); });
    pour(rows, its);
    return details;
  }

  function show(items) {
    state.shown = items;
    state.stale = panel.hasAttribute("data-inactive");
    if (state.stale) return;
    const { column, down } = state;
    const keyed = items.map((item) => [column.value(item), item]);
    keyed.sort((a, b) => (down ? compared(b[0], a[0]) : compared(a[0], b[0])) || a[1].index - b[1].index);
    const sorted = keyed.map(([, item]) => item);
    heads.forEach((head, index) => {
      if (columns[index] === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    for (const each of [...element.tBodies, ...panel.querySelectorAll(".fold")]) each.remove();
    const chunks = [];
    const pour = (target, its) => {
      for (let at = 0; at < its.length; at += CHUNK) chunks.push(() => target.append(chunk(its.slice(at, at + CHUNK))));
    };
    pour(element, sorted.filter((item) => !item.fold));
    const folded = [...Map.groupBy(sorted.filter((item) => item.fold), (item) => `${item.cluster}\n${item.fold}`)];
    panel.append(...folded.sort(([a], [b]) => compared(a, b)).map(([, its]) => fold(its, pour)));
    const run = ++state.run;
    state.pending = () => { while (chunks.length) chunks.shift()(); };
    if (chunks.length) chunks.shift()();
    else element.append(make("tbody", { role: "rowgroup" }, make("tr", { role: "row" }, make("td", { role: "cell", class: "nothing", colspan: columns.length }, "No row matches the filters."))));
    reach(panel.querySelector("tr.row"));
    const more = () => {
      if (run !== state.run) return;
      const until = performance.now() + 12;
      while (chunks.length && performance.now() < until) chunks.shift()();
      if (chunks.length) setTimeout(more);
    };
    setTimeout(more);
  }

  // One row at a time is in the order of Tab: nobody presses it 2,000 times.
  function reach(target) {
    if (state.reached) state.reached.querySelector(".disclose").tabIndex = -1;
    state.reached = target || null;
    if (target) target.querySelector(".disclose").tabIndex = 0;
  }

  panel.addEventListener("click", (event) => {
    const target = event.target.closest("tr.row");
    if (!target || event.target.closest("a, .link") || String(getSelection())) return;
    reach(target);
    toggle(target.item, !target.item.open);
  });
  panel.addEventListener("focusin", (event) => {
    const target = event.target.closest("tr.row");
    if (target) reach(target);
  });
  panel.addEventListener("keydown", (event) => {
    const target = event.target.closest(".disclose") && event.target.closest("tr.row");
    if (!target || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "End") state.pending();
    const rows = [...panel.querySelectorAll("tr.row")].filter((each) => each.checkVisibility());
    const index = rows.indexOf(target);
    const to = { ArrowDown: rows[index + 1], ArrowUp: rows[index - 1], Home: rows[0], End: rows[rows.length - 1] }[event.key];
    if (to) to.querySelector(".disclose").focus();
  });
  panel.append(element);
  return { show, refresh: () => { if (state.stale) show(state.shown); }, flush: () => state.pending && state.pending(), toggle: (item) => toggle(item, true) };
}

const answers = (item, nouns) => [
  item.allowed ? answer(false, nouns(item.allowed)) : "",
  item.undecided ? answer(true, `${number(item.undecided)} ${UNDECIDED}`) : "",
];

function firstNames(item) {
  const all = item.allowed + item.undecided;
  if (!all) return "";
  const more = all - item.first.length;
  return make("div", { class: "names" }, item.first.map((name, index) => [index ? ", " : "", make("span", {}, name)]),
    more ? ` and ${number(more)} more` : "");
}

const worst = (item) => {
  if (!item.findings.length) return "";
  const [first] = item.findings;
  const more = item.findings.length - 1;
  return tone(kindOf(first.kind).family, make("span", {}, kindOf(first.kind).title, more ? ` +${number(more)}` : ""));
};
const worstValue = (item) => (item.findings.length ? rank(item.findings[0].kind) - item.findings.length / 1e6 : KINDS.length + 1);
const answerValue = (item) => item.allowed + item.undecided;
const findingsColumn = { title: "Findings", value: worstValue, cell: worst };
const managedFact = (item) => ["irsa stack", withStacks ? (item.managed ? "declared in a stack that was read" : "in none of the stacks that were read") : ""];

const ACCOUNT_COLUMNS = [
  { title: "Service account", value: (each) => `${each.name}\n${each.namespace}`, cell: (each) => make("span", { class: "name" }, each.name) },
  { title: "Namespace", value: (each) => each.namespace, cell: (each) => make("span", { class: "name" }, each.namespace) },
  { title: "Cluster", value: (each) => each.cluster, cell: (each) => make("span", { class: "name" }, each.cluster) },
  { title: "Annotated role", value: (each) => nameOf(each.annotatedRole) || "\uffff",
    cell: (each) => (each.annotatedRole ? make("span", { class: "name", title: each.annotatedRole }, nameOf(each.annotatedRole)) : "") },
  { title: "May assume", value: answerValue, downFirst: true,
    cell: (each) => (answerValue(each) ? [...answers(each, (value) => count(value, "role")), firstNames(each)] : make("span", { class: "muted" }, isUnread(each) ? "not read" : "nothing")) },
  findingsColumn,
];

const days = (role) => Math.floor((Date.parse(data.written) - Date.parse(role.lastUsed)) / DAY);
const ago = (role) => {
  if (!role.lastUsed) return "";
  const past = days(role);
  return past < 1 ? "today" : `${count(past, "day")} ago`;
};

const ROLE_COLUMNS = [
  { title: "Role", value: (each) => each.name, cell: (each) => make("span", { class: "name" }, each.name) },
  { title: "AWS account", value: (each) => each.awsAccount, cell: (each) => each.awsAccount },
  { title: "Admits", value: answerValue, downFirst: true,
    cell: (each) => (answerValue(each) ? [...answers(each, (value) => count(value, "service account")), firstNames(each)] : make("span", { class: "muted" }, "nobody")) },
  { title: "Cluster", value: (each) => [...each.clusters].sort().join("\n"), cell: (each) => make("span", { class: "name" }, [...each.clusters].sort().join(", ")) },
  { title: "Last used", value: (each) => each.lastUsed || (each.lastUsedKnown ? "" : "\uffff"),
    cell: (each) => make("span", {}, each.lastUsedText, each.lastUsed ? make("span", { class: "names" }, ` (${ago(each)})`) : "") },
  findingsColumn,
];

// What the API server does with a Pod of it that has no identity.
const GUARDS = { deny: "refuses Pods without their identity", warn: "warns of Pods without their identity" };

function accountDetail(account) {
  const its = account.groups.flatMap((group) => admissionsOfGroup[group]).sort((a, b) => b.undecided - a.undecided || compared(a.role.arn, b.role.arn));
  return [
    facts([
      ["Annotated role", account.annotatedRole ? make("code", {}, account.annotatedRole) : "none"],
      ["Role by association", account.association ? make("code", {}, account.association.targetRole || account.association.role) : ""],
      ["Token's audience", make("code", {}, account.audience)],
      ["Guard", GUARDS[account.guard] || ""],
      managedFact(account),
    ]),
    make("div", {}, make("h4", {}, its.length ? `Why: ${count(answerValue(account), "role")}` : "No role that was read admits it"),
      appendSome(make("ul", { class: "reasons" }), its, 20, (each) => reason(each, press(each.role.arn, () => pickRole(each.role), "link mono"), each.role.arn === account.annotatedRole ? make("span", { class: "muted" }, "annotated") : ""), "role")),
    problems(account),
  ];
}

function roleDetail(role) {
  const its = [...role.admissions].sort((a, b) => b.undecided - a.undecided || b.members.length - a.members.length);
  return [
    facts([
      ["ARN", make("code", {}, role.arn)],
      ["Last used", `${role.lastUsedText}${role.lastUsed ? `, ${ago(role)}` : ""}`],
      ["Annotated on", count(role.annotated, "service account")],
      managedFact(role),
    ]),
    make("div", {}, make("h4", {}, its.length ? `Why: ${count(admitted(role), "service account")}` : "It admits no service account that was read"),
      appendSome(make("ul", { class: "reasons" }), its, 20, (each) => {
        const item = reason(each, make("b", {}, count(each.members.length, "service account")), make("span", { class: "muted" }, "of cluster ", make("span", { class: "name" }, each.cluster)));
        item.append(appendSome(make("div", { class: "chips" }), each.members, 24, (index) => press(accounts[index].id, () => pickAccount(accounts[index]), "link name"), "service account"));
        return item;
      }, "answer")),
    problems(role),
  ];
}

const tables = {
  accounts: table("accounts", "Press Enter on a row for the reasons. The arrow keys move between rows.", ACCOUNT_COLUMNS, accountDetail),
  roles: table("roles", "Press Enter on a row for the reasons. The arrow keys move between rows.", ROLE_COLUMNS, roleDetail),
};
const NOUNS = { accounts: "service account", roles: "role" };
let active = "accounts";

function activate(name, focus = false) {
  active = name;
  for (const each of Object.keys(tables)) {
    const tab = find(`tab-${each}`);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    find(`panel-${each}`).toggleAttribute("data-inactive", each !== name);
  }
  tables[name].refresh();
  announce();
  if (focus) find(`tab-${name}`).focus();
}

// ---------------------------------------------------------------- filters

let shown = null;
const later = [];

function announce() {
  const total = active === "accounts" ? accounts.length : roles.length;
  const its = shown[active].length;
  const folded = isSearched() ? 0 : shown[active].filter((each) => each.fold).length;
  find("shown").textContent = `${its === total ? "" : `${number(its)} of `}${count(total, NOUNS[active])} shown${folded ? `, ${number(folded)} of them folded` : ""}`;
}

function changed() {
  Object.assign(filter, { text: find("text").value.trim(), cluster: find("cluster").value, decision: find("decision").value, kind: find("kind").value });
  shown = selected();
  later.length = 0;
  for (const name of Object.keys(tables)) {
    tables[name].show(shown[name]);
    find(`tab-${name}`).querySelector("span").textContent = number(shown[name].length);
    find(`panel-${name}`).dataset.name = `${name === "accounts" ? "Service accounts" : "Roles"}: ${number(shown[name].length)} of ${number(name === "accounts" ? accounts.length : roles.length)}${isFiltered() ? `, by ${described()}` : ""}`;
  }
  const other = active === "accounts" ? "roles" : "accounts";
  if (!shown[active].length && shown[other].length) activate(other);
  announce();
  drawFlow(shown.pairs, true);
  showFindings(shown.findings);
  find("clear").hidden = !isFiltered();
  find("picked").hidden = !filter.pick;
  if (filter.pick) find("picked").firstElementChild.textContent = `Only: ${filter.pick.label}`;
  const selects = [filter.cluster, filter.decision, filter.kind].filter(Boolean).length;
  find("more").textContent = selects ? `Filters (${selects})` : "Filters";
  setTimeout(() => { for (const build of later.splice(0)) build(); }, 50);
}

const described = () =>
  joined([
    filter.text && `text "${filter.text}"`, filter.cluster && `cluster ${filter.cluster}`, filter.decision && `decision ${filter.decision}`,
    filter.kind && `finding ${filter.kind}`, filter.pick && filter.pick.label,
  ].filter(Boolean));

function choose(pick) {
  filter.pick = pick && filter.pick && filter.pick.key === pick.key ? null : pick;
  const top = find("filters").getBoundingClientRect().top;
  changed();
  // What was chosen far down is shown from the start of its row.
  if (filter.pick && top <= 0 && !find("flow").contains(document.activeElement)) {
    activate(pick.accounts ? "accounts" : "roles");
    find("tables").focus({ preventScroll: true });
    find("tables").scrollIntoView();
    const items = shown[active];
    if (items.length === 1) tables[active].toggle(items[0]);
  }
}

function clear() {
  for (const id of ["text", "cluster", "decision", "kind"]) find(id).value = "";
  filter.pick = null;
  changed();
  find("text").focus();
}

function start() {
  find("cluster").append(...clusterNames.map((name) => make("option", { value: name }, name)));
  const used = [...new Set(findings.map((each) => each.kind))];
  find("kind").append(...used.map((name) => make("option", { value: name }, kindOf(name).title)));
  for (const id of ["cluster", "decision", "kind"]) find(id).addEventListener("change", changed);
  let timer = 0;
  find("text").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(changed, 120);
  });
  find("clear").addEventListener("click", clear);
  find("picked").querySelector("button").addEventListener("click", () => { choose(null); find("text").focus(); });
  find("more").addEventListener("click", () => {
    const open = find("selects").classList.toggle("open");
    find("more").setAttribute("aria-expanded", String(open));
  });
  for (const name of Object.keys(tables)) find(`tab-${name}`).addEventListener("click", () => activate(name));
  document.querySelector(".tabs").addEventListener("keydown", (event) => {
    if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) {
      event.preventDefault();
      activate(event.key === "Home" ? "accounts" : event.key === "End" ? "roles" : active === "accounts" ? "roles" : "accounts", true);
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.target.closest("input, select") && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      find("text").focus();
    }
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : dark.matches);
  const nameTheme = () => { find("theme").lastElementChild.textContent = isDark() ? "Light theme" : "Dark theme"; };
  find("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  dark.addEventListener("change", nameTheme);
  nameTheme();
  addEventListener("beforeprint", () => {
    for (const build of later.splice(0)) build();
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      details.dataset.printed = "";
    }
    for (const name of Object.keys(tables)) {
      const panel = find(`panel-${name}`);
      const inactive = panel.hasAttribute("data-inactive");
      panel.removeAttribute("data-inactive");
      tables[name].refresh();
      tables[name].flush();
      panel.toggleAttribute("data-inactive", inactive);
    }
  });
  addEventListener("afterprint", () => {
    for (const details of document.querySelectorAll("details[data-printed]")) {
      details.open = false;
      delete details.dataset.printed;
    }
  });
  heading();
  changed();
  performance.mark("first-row");
  new IntersectionObserver(([entry]) => find("filters").classList.toggle("stuck", entry.boundingClientRect.top < 1), { rootMargin: "-1px", threshold: 1 })
    .observe(find("filters"));
  new ResizeObserver(() => {
    if (pictured && Math.abs(pictured.width - find("flow").clientWidth) > 2) drawFlow(pictured.pairs, true);
  }).observe(find("flow"));
}

start();
