// One round of one measurement, in a process of its own: `node bench/measure.mjs ours enqueue '{"folder":…}'`. Prints JSON:
// what was measured, and the processor time of the whole process, from which the caller sees how much others used.
const [who, what, options] = process.argv.slice(2)
const files = { ours: './lib/ours.mjs', peer: './lib/peer.mjs', bulk: './lib/bulk.mjs' }
const measurements = await import(files[who])
const measured = await measurements[what](JSON.parse(options))
const { user, system } = process.cpuUsage()
process.stdout.write(`${JSON.stringify({ ...measured, processMs: (user + system) / 1e3 })}\n`)
