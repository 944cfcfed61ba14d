import Bytes
import Synchronization
import Testing

@Suite struct PipelineTests {
    /// Two producers, two consumers, a queue much shorter than what passes through it: everything arrives once.
    @Test func everythingPassesOnce() {
        let queue = BoundedQueue<Int>(capacity: 3)
        let sum = Mutex(0)
        let consumers = (0..<2).map { number in
            OwnedThread(name: "consumer-\(number)") {
                while let value = try? queue.pop() { sum.withLock { $0 += value } }
            }
        }
        let producers = (0..<2).map { number in
            OwnedThread(name: "producer-\(number)") { for value in 1...1000 { try? queue.push(value) } }
        }
        for thread in producers { thread.join() }
        queue.finish()
        for thread in consumers { thread.join() }
        #expect(sum.withLock { $0 } == 2 * 500_500)
    }

    @Test func failureWakesBothSidesAndTheFirstWins() {
        let queue = BoundedQueue<Int>(capacity: 1)
        let caught = Mutex<[CairnError.Code]>([])
        let producer = OwnedThread(name: "producer") {
            do { while true { try queue.push(1) } } catch let error as CairnError {
                caught.withLock { $0.append(error.code) }
            } catch {}
        }
        queue.fail(CairnError(.noSpace, "full"))
        queue.fail(CairnError(.io, "later"))
        producer.join()
        #expect(caught.withLock { $0 } == [.noSpace])
        #expect(throws: CairnError.self) { try queue.pop() }
    }

    @Test func failedPoolWakesItsWaiter() throws {
        let pool = BufferPool(buffers: 1, capacity: 64)
        let held = try pool.take()
        let woken = Mutex(false)
        let waiter = OwnedThread(name: "waiter") {
            do { _ = try pool.take() } catch { woken.withLock { $0 = true } }
        }
        pool.fail(CairnError(.cancelled, "stop"))
        waiter.join()
        #expect(woken.withLock { $0 })
        pool.give(held)
    }
}
