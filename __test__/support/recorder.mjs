// A receiver that puts every message on record in a file before it answers, so that it may be killed at any moment and the
// record is still whole. Arguments: the record, the port (0: any). Prints its port, then a line for every hundredth message.
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'

const [record, port] = process.argv.slice(2)
const EVERY = 100
let taken = 0

const server = createServer((request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    appendFileSync(record, `${JSON.stringify({ url: request.url, headers: request.headers, body: body.toString('base64') })}\n`)
    const controlId = body.toString('latin1').split('\r')[0].split('|')[9]
    response.setHeader('content-type', 'application/hl7-v2')
    response.end(`MSH|^~\\&|RECORDER||||20300102||ACK|A${controlId}|T|2.5.1\rMSA|AA|${controlId}\r`)
    if (++taken % EVERY === 0) console.log(`taken ${taken}`)
  })
})
server.listen(Number(port), '127.0.0.1', () => console.log(`port ${server.address().port}`))
