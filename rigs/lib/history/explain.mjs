// Whether all that was seen of one message can have happened in some order that respects real time.
//
// Messages are independent objects, and linearizability is a property of each object (Herlihy and Wing, 1990), so each is
// checked alone. A message has a handful of calls open at a time and few states, so the sets of possible states are carried
// along the time (just-in-time linearization: Lowe, 2017): at the end of a call only those states are left in which it has
// taken effect with the result that it had. What happens by itself (claims, ends of attempts) may happen at any time at which
// its cause is there. No search over whole orders is needed, and a slow machine only makes more things possible.
import { NOTHING, effects, inWords, keyOf, steps } from './machine.mjs'

/** More states than this are a mistake of the checker, not of the message. */
const STATES_MAX = 20_000

/**
 * `ops`: `{ kind, began, ended, …, words }`; one that is `optional` need not have happened. Answers `{ layers, failure }`: `layers` are
 * `{ at, states }`, the states that are possible from `at` until the next layer. Arrivals learn when they can have been claimed at the
 * earliest (`claimed`).
 */
export function explain(ops, world) {
  const points = []
  for (const op of ops) points.push({ at: op.began, rank: 0, op }, { at: op.ended, rank: 2, op })
  for (const { from, to } of world.ends) points.push({ at: from, rank: 1 }, { at: to, rank: 1 })
  for (const { since, answered, cut } of world.arrivals) for (const at of [since + world.limits.answerUs, answered, cut]) if (at !== null) points.push({ at, rank: 1 })
  points.sort((one, other) => one.at - other.at || one.rank - other.rank)
  const layers = []
  const open = []
  let configurations = new Map([[keyOf(NOTHING), { state: NOTHING, done: [] }]])
  for (const { at, rank, op } of points) {
    if (rank === 0) open.push(op)
    configurations = closure(configurations, open, at, world)
    if (rank === 2) {
      const before = configurations
      configurations = new Map()
      for (const { state, done } of before.values()) {
        if (!op.optional && !done.includes(op)) continue
        add(configurations, state, done.filter((other) => other !== op))
      }
      open.splice(open.indexOf(op), 1)
      if (configurations.size === 0) return { layers, failure: { op, at, before: [...new Set([...before.values()].map(({ state }) => inWords(state)))] } }
    }
    layers.push({ at, states: distinct(configurations) })
  }
  return { layers, failure: null }
}

/** All that can be by now. */
function closure(configurations, open, at, world) {
  const looks = open.filter(isLook)
  const moves = open.filter((op) => !isLook(op))
  const found = new Map()
  const queue = []
  const reach = (state, done) => {
    // Who only looks has seen this state, if it is what he saw: it is never worse to have answered him already.
    const seen = looks.filter((op) => !done.includes(op) && !effects(state, op).next().done)
    const added = add(found, state, seen.length === 0 ? done : [...done, ...seen])
    if (added !== null) queue.push(added)
  }
  for (const { state, done } of configurations.values()) reach(state, done)
  while (queue.length > 0) {
    const { state, done } = queue.pop()
    for (const next of steps(state, at, world)) reach(next, done)
    for (const op of moves) {
      if (done.includes(op)) continue
      for (const next of effects(state, op)) {
        if (op.kind === 'arrival') op.claimed = Math.min(op.claimed ?? Infinity, next.claimed)
        reach(next, [...done, op])
      }
    }
    if (found.size > STATES_MAX) throw new Error('a message has more possible states than the checker can carry')
  }
  return found
}

/** Whether it changes nothing: a read, or a call that was refused. */
const isLook = ({ kind, outcome }) => !['arrival', 'stored', 'replaced'].includes(kind) && (kind !== 'command' || (outcome !== 'changed' && outcome !== null))

function add(configurations, state, done) {
  const key = `${keyOf(state)} ${done.map(({ n }) => n).sort((a, b) => a - b).join()}`
  const known = configurations.get(key)
  // The earliest claim is what excuses the most: what follows from it is looked at anew.
  if (known !== undefined && !(state.claimed < known.state.claimed)) return null
  const added = { state, done }
  configurations.set(key, added)
  return added
}

function distinct(configurations) {
  const states = new Map()
  for (const { state } of configurations.values()) states.set(keyOf(state), state)
  return [...states.values()]
}

/** The states that are possible at any time from `from` to `to`; before the first layer nobody had stored it. */
function* between(layers, from, to) {
  if (layers.length === 0 || layers[0].at > from) yield NOTHING
  for (const [n, { at, states }] of layers.entries()) if (at <= to && (layers[n + 1]?.at ?? Infinity) >= from) yield* states
}

/** Whether it must be so from `from` to `to`, all the time. */
export const always = (layers, from, to, holds) => [...between(layers, from, to)].every(holds)

/** Whether it can be so at any time from `from` to `to`. */
export const ever = (layers, from, to, holds) => [...between(layers, from, to)].some(holds)
