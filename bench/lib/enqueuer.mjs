// A process that enqueues into a file beside another one, when it is told to: `node bench/lib/enqueuer.mjs PATH`.
import { startOutbox, stopOutbox } from '../../index.mjs'
import { fresh, probe } from './bulk.mjs'

const NOWHERE = 'http://127.0.0.1:9/receive'
let stop

await startOutbox({ path: process.argv[2], dispatch: false, destinations: { bench: { url: NOWHERE } }, limits: { pendingMessages: 100_000_000 }, log: { level: 'error' } })
process.on('message', async (word) => {
  if (word === 'begin') {
    stop = probe(fresh())
    process.send('probing')
  } else process.send(await stop())
})
process.on('disconnect', () => void stopOutbox())
process.send('open')
