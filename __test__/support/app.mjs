// An application that does what its parent tells it over IPC: a method of the door and its arguments.
import * as door from '../../index.mjs'

process.on('message', async ({ n, method, args }) => {
  // Nothing of ours keeps the process alive then; its natural end is what is looked at.
  if (method === 'leave') return process.disconnect()
  let answer
  try {
    answer = { n, value: await door[method](...args) }
  } catch (error) {
    answer = { n, error: { code: error.code, message: error.message } }
  }
  if (process.connected) process.send(answer)
})
