// One round of one measurement, in a process of its own: `node bench/measure.mjs ours enqueue '{"folder":…}'`. Prints JSON.
const [who, what, options] = process.argv.slice(2)
const measurements = await import(who === 'ours' ? './lib/ours.mjs' : './lib/peer.mjs')
const measured = await measurements[what](JSON.parse(options))
process.stdout.write(`${JSON.stringify(measured)}\n`)
