/*
 * The lane protocol: one lane with two keys, two workers that flush it, one client that writes, overwrites and deletes,
 * and what can go wrong. Each atomic block is one step of the front (a script, a transaction) or one statement or
 * transaction of the store; the comment above it names the function that it stands for. README.md tells what is left
 * out and why, how to run it, and how to read a trail.
 *
 * `front`, `saved` and `store…` survive processes. Names that end in Log are ghosts: nothing decides by them, they are
 * what the assertions compare with. A mutation is named by the order of its execution, 1 to WRITES; a log is the set
 * of mutations whose effect something holds, bit 0 for mutation 1.
 */

#ifndef WRITES
#define WRITES 3
#endif
#ifndef REWINDS
#define REWINDS 1
#endif
/* Operations that fail at an arbitrary place, without or after their effect: store or front away, answer lost. */
#ifndef FAILURES
#define FAILURES 1
#endif
/* Workers that sleep: one takes the lane although the other lives, or begins a recovery while the other is in one. */
#ifndef ZOMBIES
#define ZOMBIES 1
#endif
/* Workers that die for good. */
#ifndef CRASHES
#define CRASHES 0
#endif
/* Transactions that the store ends because their worker has been silent for long. */
#ifndef ABORTS
#define ABORTS 0
#endif

/* The second mutation is a delete, the others are puts. */
#define IS_DELETE(mutation) ((mutation) == 2)
#define BIT(mutation) (1 << ((mutation) - 1))
#define KEY_OF(mutation) ((keyBits >> ((mutation) - 1)) & 1)
#define HOLDS(log, mutation, key) (((log) & BIT(mutation)) && KEY_OF(mutation) == key)
/* The last mutation of a key in a log; 0 when there is none. */
#define LAST(log, key) \
  (HOLDS(log, 4, key) -> 4 : (HOLDS(log, 3, key) -> 3 : (HOLDS(log, 2, key) -> 2 : (HOLDS(log, 1, key) -> 1 : 0))))

/* A list with a number below 15 for each epoch, 0 when it is not in the list: four bits for each, in one int. */
#define EPOCHS 7
#define AT(list, epoch) (((list) >> (4 * (epoch))) & 15)
#define ONLY(list, epoch) ((list) & (15 << (4 * (epoch))))
#define WITHOUT(list, epoch) ((list) & ~(15 << (4 * (epoch))))
#define SET(list, epoch, number) (WITHOUT(list, epoch) | ((number) << (4 * (epoch))))

/* LaneHeader and LaneTable of src/core/lane.ts. A slot holds the number of the mutation that wrote it, 0 when empty. */
typedef Lane {
  bool known;             /* there is a header */
  byte runId;             /* runId ... */
  bool confirmed;         /* ... which is unconfirmed(runId) until this */
  byte incarnation;
  byte epoch;
  int epochs;             /* a list with the seq at which an epoch began, plus 1 */
  byte seq;
  byte generation;
  byte storedSeq;
  byte owner;
  byte pending;           /* marks: bit 0 for key 0, bit 1 for key 1 */
  bool flight;
  byte cutSeq;
  byte digest;
  bool stored;            /* flight.state is 'stored' */
  byte marks;             /* marks of the flight */
  byte slot[2];
  byte frozen[2];
  bool stopped;
  byte log;               /* ghost: what the front has accepted and not lost, and what is in the store */
  byte cutLog;            /* ghost: what the log was at the cut of the flight */
};

Lane front;
Lane saved;               /* an earlier state of the front: a copy, or what of it is on its disk */
byte server = 1;          /* the present run of the front's server */

/* Fence and rows. */
byte storeEpoch, storeGeneration, storeSeq, storeDigest;
int storeEpochs;
byte row[2];
byte storeLog;            /* ghost */
byte locked;              /* the worker whose transaction holds the fence's row; 0 for none */

byte names;               /* random names that were given to cuts */
byte keyBits;             /* keys of the mutations, as the client chose them */
byte executed;            /* mutations that the front has executed */

/* What the client (LaneQueue, Watermark) knows. */
byte incarnationSeen;
byte knownEpoch, knownStoredSeq;
int knownEpochs;
int given;                /* a list with the highest seq that it was given in an epoch */
byte waiting;             /* log: acknowledged, and the receipt is not settled yet */
byte positionEpoch[WRITES + 1], positionSeq[WRITES + 1];

byte rewinds = REWINDS, failures = FAILURES, zombies = ZOMBIES, crashes = CRASHES, aborts = ABORTS;
bool copied;
bool dead[4];             /* by process number: 1 and 2 are the workers */
bool recovering[4];

#define OTHER (3 - me)
/* The lane takes steps: `enter` in src/core/lane.ts. */
#define CURRENT (front.known && front.runId == server && front.confirmed)
#ifdef WRITE_WITHOUT_RUN
#define WRITABLE front.known
#else
#define WRITABLE CURRENT
#endif

inline copyLane(to, from) {
  to.known = from.known; to.runId = from.runId; to.confirmed = from.confirmed; to.incarnation = from.incarnation;
  to.epoch = from.epoch; to.epochs = from.epochs; to.seq = from.seq; to.generation = from.generation;
  to.storedSeq = from.storedSeq; to.owner = from.owner; to.pending = from.pending; to.flight = from.flight;
  to.cutSeq = from.cutSeq; to.digest = from.digest; to.stored = from.stored; to.marks = from.marks;
  to.slot[0] = from.slot[0]; to.slot[1] = from.slot[1]; to.frozen[0] = from.frozen[0]; to.frozen[1] = from.frozen[1];
  to.stopped = from.stopped; to.log = from.log; to.cutLog = from.cutLog;
}

inline dropFlight(lane) {
  lane.flight = false; lane.cutSeq = 0; lane.digest = 0; lane.stored = false; lane.marks = 0;
  lane.frozen[0] = 0; lane.frozen[1] = 0; lane.cutLog = 0;
}

/* table.clear(), and no flight. */
inline clearTable(lane) {
  lane.pending = 0; lane.slot[0] = 0; lane.slot[1] = 0; dropFlight(lane);
}

inline emptyLane(lane) {
  lane.known = false; lane.runId = 0; lane.confirmed = false; lane.incarnation = 0; lane.epoch = 0; lane.epochs = 0;
  lane.seq = 0; lane.generation = 0; lane.storedSeq = 0; lane.owner = 0; lane.stopped = false; lane.log = 0;
  clearTable(lane);
}

/* `mergeEpochs`: what the front knows unless it was never confirmed, and instead of it what the store has recorded. */
#define MERGED(epoch) \
  (AT(storeEpochs, epoch) -> ONLY(storeEpochs, epoch) : (front.confirmed -> ONLY(front.epochs, epoch) : 0))
/* `begin`: of epochs that began at the same seq or later the new one tells enough. */
#define EARLIER(epoch, began) (AT(front.epochs, epoch) <= (began) -> ONLY(front.epochs, epoch) : 0)
inline beginEpoch(at) {
  assert(epoch < EPOCHS && front.seq < 15);
  front.epochs = MERGED(1) | MERGED(2) | MERGED(3) | MERGED(4) | MERGED(5) | MERGED(6);
  front.epochs = EARLIER(1, at) | EARLIER(2, at) | EARLIER(3, at) | EARLIER(4, at) | EARLIER(5, at) | EARLIER(6, at);
  front.epochs = SET(front.epochs, epoch, (at) + 1)
}

/* What a reader is given: the slot, and what the store has when the slot is empty. */
#define VISIBLE(key) (front.slot[key] != 0 -> front.slot[key] : row[key])

/* Invariants 12, 6 and 7, after each step: nothing stops the lane; a read of an open lane gives the last mutation; a
   dirty key has its value. */
#define SOUND(key) (VISIBLE(key) == LAST(front.log, key) && (!(front.pending & (1 << key)) || front.slot[key] != 0))
inline check() {
  assert(!CURRENT || !front.stopped);
  assert(!CURRENT || (SOUND(0) && SOUND(1)))
}

/* A page of marks: `readGeneration` reads the slot of a key that is marked. */
inline readMark(key) {
  if
  :: (front.marks & (1 << key)) && rows[key] == 0 -> assert(front.slot[key] != 0); rows[key] = front.slot[key]
  :: else
  fi
}

/* Ends a flush or a recovery; a transaction that is open is rolled back. */
inline rest() {
  if :: locked == me -> locked = 0 :: else fi;
  epoch = 0; generation = 0; seq = 0; digest = 0; rows[0] = 0; rows[1] = 0; log = 0; recovering[me] = false;
  goto idle
}

/* Somebody was quicker: the recovery begins again. */
inline retry() {
  epoch = 0; generation = 0; seq = 0; digest = 0; log = 0; recovering[me] = false;
  printf("worker %d: somebody was quicker, recovers again\n", me);
  goto again
}

/* Another worker has the lane. */
inline disown() {
  printf("worker %d: the lane is not its own any more\n", me);
  mine = 0; rest()
}

/* An operation fails here: what was done is done, the rest is not, and the worker does not know which. */
inline mayFail() {
  if
  :: true
  :: failures > 0 -> failures--; printf("worker %d: that failed, for all it knows\n", me); rest()
  fi
}

/* A statement that raises the epoch waits for a transaction that has the row. */
#define MAY_RECOVER (locked == 0 && (!recovering[OTHER] || dead[OTHER] || zombies > 0))

/* Recovery.#recover, LaneStore.raiseEpoch: one statement. */
inline raiseEpoch() {
  if :: !recovering[OTHER] || dead[OTHER] :: else -> zombies-- fi;
  recovering[me] = true;
  storeEpoch++;
  printf("worker %d: raises the epoch to %d\n", me, storeEpoch);
  epoch = storeEpoch; generation = storeGeneration; seq = storeSeq; digest = storeDigest; log = storeLog;
  mayFail()
}

#ifdef NO_DIGEST
#define SAME_CUT(a, b) true
#else
#define SAME_CUT(a, b) ((a) == (b))
#endif
#ifdef PAGES_WITHOUT_RUN
#define READABLE (front.known && front.epoch == mine && front.flight && front.generation == generation)
#else
#define READABLE (CURRENT && front.epoch == mine && front.flight && front.generation == generation)
#endif

/* Fences.verdicts in src/stores/postgres/own-tables.ts: what made the compare-and-set fail does not go away. */
inline verdict() {
  if
  :: storeGeneration == generation && SAME_CUT(storeDigest, digest) && storeSeq == seq -> goto acknowledge
  :: else -> disown()
  fi
}

proctype Worker(byte me) provided (!dead[_pid]) {
  byte mine;                            /* FlushLane.epoch; 0 while the lane is foreign */
  byte epoch;                           /* of the fence of a recovery */
  byte generation, seq, digest;         /* of that fence, or of the flight that is flushed */
  byte rows[2];                         /* read from the front, not yet committed */
  byte log;                             /* ghost: what the fence or the flight holds */

  if :: me == 1 -> mine = 1 :: else fi; /* the first worker has the lane when it begins */

idle:
  /* LaneLeases.#look, Flusher: waits until there is something to do. */
  atomic {
    if
    :: mine == 0 && (!CURRENT || front.owner == me || dead[OTHER]) && MAY_RECOVER -> raiseEpoch(); goto recovery
    :: mine == 0 && CURRENT && front.owner != me && !dead[OTHER] && zombies > 0 && MAY_RECOVER ->
      if :: recovering[OTHER] :: else -> zombies-- fi;
      raiseEpoch(); goto recovery
    :: mine != 0 && (!CURRENT || front.epoch != mine || front.flight || front.pending) ->
      /* `cut` in src/core/lane-flush.ts. */
      if
      :: !CURRENT || front.epoch != mine -> disown()
      :: else
      fi;
      if
      :: front.flight
      :: else ->
        d_step {
          names++;
#ifndef CUT_WITHOUT_SEQ
          front.seq++;
#endif
          front.generation++; front.flight = true; front.cutSeq = front.seq; front.digest = names;
          front.marks = front.pending; front.cutLog = front.log;
#ifndef CUT_WITHOUT_RENAME
          front.pending = 0;
#endif
        }
      fi;
      generation = front.generation; seq = front.cutSeq; digest = front.digest; log = front.cutLog;
      printf("worker %d: cuts generation %d, name %d\n", me, generation, digest);
      check();
      if :: front.stored -> goto acknowledge :: else fi;
#ifdef ACKNOWLEDGE_BEFORE_COMMIT
      if :: goto acknowledge :: true fi;
#endif
      mayFail(); goto apply
    fi
  }

recovery:
  /* `recover` in src/core/lane-recover.ts, tentative. */
  atomic {
    if
    :: front.known && epoch < front.epoch -> retry()
    :: !front.known || (epoch >= front.epoch && front.seq < seq) ->
      d_step {
        /* Everything that is dropped is stored. */
        printf("worker %d: the front is behind, begins at the fence: generation %d, seq %d\n", me, generation, seq);
        assert((front.log & ~storeLog) == 0);
        beginEpoch(seq);
#ifdef BEHIND_REPLAYS
        front.pending = front.pending | front.marks; front.log = front.log | log; dropFlight(front);
#else
        clearTable(front); front.log = log;
#endif
        front.known = true; front.runId = server; front.incarnation = epoch; front.epoch = epoch;
        front.seq = seq; front.generation = generation;
        front.storedSeq = seq; front.owner = me; front.stopped = false;
        front.confirmed = false;
      }
    :: front.known && epoch >= front.epoch && front.seq >= seq ->
      d_step {
        printf("worker %d: the front is current\n", me);
        front.stopped = false;
        if
        /* `compare`: the fence is the flight ... */
        :: front.flight && !front.stored && generation == front.generation && SAME_CUT(digest, front.digest) &&
           seq == front.cutSeq ->
          front.stored = true; front.storedSeq = front.cutSeq; front.frozen[0] = 0; front.frozen[1] = 0
        /* ... or its predecessor, or the last generation that was acknowledged ... */
        :: generation == (front.flight && !front.stored -> front.generation - 1 : front.generation) &&
           seq == front.storedSeq
        /* ... or is not explained. */
        :: else -> front.stopped = true
        fi;
        if
        :: CURRENT
        :: else -> beginEpoch(front.seq); front.runId = server; front.confirmed = false
        fi;
        front.epoch = epoch; front.owner = me;
      }
    fi;
#ifdef NO_CONFIRM
    front.confirmed = true;
#endif
    check(); mayFail()
  }

  /* Recovery.#confirm: looks at the header, LaneStore.beginEpoch ... */
  atomic {
    if
    :: !front.known || front.epoch != epoch -> retry()
    :: front.known && front.epoch == epoch && CURRENT -> mine = epoch; rest()
    :: front.known && front.epoch == epoch && !CURRENT && storeEpoch != epoch -> retry()
    :: front.known && front.epoch == epoch && !CURRENT && storeEpoch == epoch && locked == 0 ->
#ifndef EPOCHS_NOT_RECORDED
      storeEpochs = front.epochs;
#endif
      mayFail()
    fi
  }
  /* ... `confirm` in src/core/lane-recover.ts. */
  atomic {
    if
#ifdef CONFIRM_WITHOUT_RUN
    :: front.known && front.epoch == epoch -> front.runId = server;
#else
    :: front.known && front.epoch == epoch && front.runId == server ->
#endif
      printf("worker %d: opens the lane, epoch %d\n", me, epoch);
      front.confirmed = true; check(); mayFail(); mine = epoch; rest()
    :: else -> retry()
    fi
  }

again:
  /* The jittered pause between attempts: the other one gets through meanwhile, if it has begun. */
  atomic {
    if
    :: CURRENT -> mine = (front.owner == me -> front.epoch : 0); rest()
    :: !CURRENT && MAY_RECOVER -> raiseEpoch(); goto recovery
    fi
  }

apply:
  /* LaneStore.apply: BEGIN and the fence's compare-and-set, which waits for a transaction that has the row; the first
     page of GenerationReader: `readGeneration`, here with the first key's mark. */
  atomic {
    locked == 0;
    if
#if defined(NO_FENCE)
    :: true -> locked = me
#elif defined(FENCE_WITHOUT_EPOCH)
    :: storeGeneration == generation - 1 -> locked = me
    :: else -> verdict()
#elif defined(FENCE_WITHOUT_GENERATION)
    :: storeEpoch == mine -> locked = me
    :: else -> verdict()
#else
    :: storeEpoch == mine && storeGeneration == generation - 1 -> locked = me
    :: else -> verdict()
#endif
    fi;
    printf("worker %d: the fence lets generation %d pass\n", me, generation);
    if :: READABLE -> readMark(0) :: else -> disown() fi
  }
  /* The page with the second key's mark, and the one with the frozen values; a key that comes twice has one value.
     COMMIT of rows and fence. */
  atomic {
    if
    :: READABLE ->
      readMark(1);
      if :: rows[0] == 0 && front.frozen[0] != 0 -> rows[0] = front.frozen[0] :: else fi;
      if :: rows[1] == 0 && front.frozen[1] != 0 -> rows[1] = front.frozen[1] :: else fi
    :: else -> disown()
    fi;
    mayFail();
    if
    :: locked != me -> rest()
    :: locked == me ->
      d_step {
        locked = 0;
        printf("worker %d: commits generation %d with rows %d and %d\n", me, generation, rows[0], rows[1]);
        /* Invariant 2: each key moves forward. */
        assert(rows[0] == 0 || rows[0] >= row[0]);
        assert(rows[1] == 0 || rows[1] >= row[1]);
#ifndef NO_FENCE
        /* A generation is applied once. */
        assert(storeLog != log);
#endif
        if :: rows[0] != 0 -> row[0] = rows[0] :: else fi;
        if :: rows[1] != 0 -> row[1] = rows[1] :: else fi;
        rows[0] = 0; rows[1] = 0;
        storeGeneration = generation; storeSeq = seq; storeDigest = digest;
        /* Invariant 4: the store holds the lane up to the cut, nothing less and nothing else. */
        assert((storeLog & ~log) == 0);
        storeLog = log;
        assert(row[0] == LAST(storeLog, 0));
        assert(row[1] == LAST(storeLog, 1));
      }
    fi;
    check(); mayFail()
  }

acknowledge:
  /* `acknowledge` in src/core/lane-flush.ts, in chunks of one key. */
  atomic {
    if
#ifndef ACKNOWLEDGE_WITHOUT_EPOCH
    :: !CURRENT || front.epoch != mine -> disown()
#endif
    :: else
    fi;
    if
#ifdef ACKNOWLEDGE_WITHOUT_GENERATION
    :: !front.flight -> rest()
    :: else
#else
    :: !front.flight && front.generation == generation -> rest()
    :: front.generation != generation -> disown()
    :: front.flight && front.generation == generation
#endif
    fi;
    printf("worker %d: acknowledges generation %d\n", me, front.generation);
    /* Invariant 5: the fence has this generation, with its digest. */
    assert(storeGeneration == front.generation && storeDigest == front.digest && storeSeq == front.cutSeq);
    d_step {
      front.stored = true; front.storedSeq = front.cutSeq; front.frozen[0] = 0; front.frozen[1] = 0;
      if
      :: front.marks & 1 -> front.marks = front.marks & 2;
         if :: IS_DELETE(front.slot[0]) -> front.slot[0] = 0 :: else fi
      :: front.marks == 2 -> front.marks = 0; if :: IS_DELETE(front.slot[1]) -> front.slot[1] = 0 :: else fi
      :: else
      fi;
    }
    check();
    if
    :: front.marks == 0 ->
#ifdef CUT_WITHOUT_RENAME
      front.pending = 0;
#endif
      dropFlight(front); rest()
    :: else
    fi;
    mayFail()
  }
  goto acknowledge
}

/* `write` in src/core/lane-write.ts, of one key. */
inline write(key) {
  d_step {
    executed++;
    keyBits = keyBits | (key << (executed - 1));
    front.seq++;
    if
#ifndef NO_FREEZE
    :: front.flight && (front.marks & (1 << key)) ->
      front.marks = front.marks & ~(1 << key);
      if :: !front.stored -> front.frozen[key] = front.slot[key] :: else fi
#endif
    :: else
    fi;
    if :: incarnationSeen == front.incarnation -> front.slot[key] = executed :: else fi;
    printf("client: mutation %d, key %d, epoch %d, seq %d\n", executed, key, front.epoch, front.seq);
    front.pending = front.pending | (1 << key);
    front.log = front.log | BIT(executed);
  };
  /* LaneQueue.#accepted, Watermark.gave: the answer comes, or it is lost with the connection. */
  if
  :: true ->
    d_step {
      given = SET(given, front.epoch, front.seq);
      waiting = waiting | BIT(executed);
      positionEpoch[executed] = front.epoch; positionSeq[executed] = front.seq;
    }
  :: failures > 0 -> failures--; printf("client: no answer to mutation %d\n", executed)
  fi
}

/* Watermark.#survivedSeq, plus 1: the lowest seq at which an epoch after e began. */
#define LOWER(epoch) \
  if :: epoch > e && AT(knownEpochs, epoch) && AT(knownEpochs, epoch) < limit -> \
       limit = AT(knownEpochs, epoch) \
     :: else fi
inline survivedSeq() {
  limit = 255; LOWER(2); LOWER(3); LOWER(4); LOWER(5); LOWER(6)
}

/* A stored seq that settles nobody need not be looked at. */
#define SETTLES(mutation) ((waiting & BIT(mutation)) && front.storedSeq >= positionSeq[mutation])

/* Watermark.#settle, for each receipt that waits. */
inline settleWaiters() {
  mutation = 1;
  do
  :: mutation <= WRITES && (waiting & BIT(mutation)) ->
    e = positionEpoch[mutation]; survivedSeq();
    if
#ifdef RECEIPT_WITHOUT_EPOCH
    :: false
#else
    :: positionEpoch[mutation] < knownEpoch && positionSeq[mutation] + 1 > limit ->
      /* Neither the front nor the store has it, and a loss was reported. */
      assert(!(storeLog & BIT(mutation)) && !(front.log & BIT(mutation)) && lost > 0);
      waiting = waiting & ~BIT(mutation); positionEpoch[mutation] = 0; positionSeq[mutation] = 0
#endif
    :: else ->
      if
      :: positionEpoch[mutation] <= knownEpoch && positionSeq[mutation] <= knownStoredSeq ->
        /* Invariant 1: the store has it, or a later one of its key. */
        assert(storeLog & BIT(mutation));
        waiting = waiting & ~BIT(mutation); positionEpoch[mutation] = 0; positionSeq[mutation] = 0
      :: else
      fi
    fi;
    mutation++
  :: mutation <= WRITES && !(waiting & BIT(mutation)) -> mutation++
  :: mutation > WRITES -> break
  od
}

/* Watermark.#settleGiven: what this client was given and did not outlive the epochs since. */
inline settleGiven() {
  lost = 0; survived = 0; e = 1;
  do
  :: e < knownEpoch && AT(given, e) != 0 ->
    survivedSeq();
    if
    :: AT(given, e) + 1 > limit -> lost = lost + AT(given, e) + 1 - limit;
       if :: limit - 1 > survived -> survived = limit - 1 :: else fi
    :: else -> if :: AT(given, e) > survived -> survived = AT(given, e) :: else fi
    fi;
    given = WITHOUT(given, e); e++
  :: e < knownEpoch && AT(given, e) == 0 -> e++
  :: e >= knownEpoch -> break
  od;
  if :: AT(given, knownEpoch) == 0 && survived > 0 -> given = SET(given, knownEpoch, survived) :: else fi;
  /* Reported if and only if something that was acknowledged is gone. */
  assert((lost > 0) == ((waiting & ~(front.log | storeLog)) != 0));
}

proctype Client() {
  byte limit, mutation, lost, survived, e;

end:
  do
  /* LaneQueue: one write after the other, on a connection that knows the lane's incarnation. */
  :: atomic {
      executed < WRITES && WRITABLE && incarnationSeen == front.incarnation ->
      if
      :: write(0)
      :: executed > 0 -> write(1)
      fi;
      check()
    }
#ifdef WRITE_WITHOUT_INCARNATION
  :: atomic { executed < WRITES && WRITABLE && incarnationSeen != front.incarnation ->
       if :: write(0) :: write(1) fi; check() }
#endif
  /* `unrecovered` with a header: the connection learns the incarnation and sends again. */
  :: atomic { executed < WRITES && CURRENT && incarnationSeen != front.incarnation ->
       incarnationSeen = front.incarnation }
  /* Engine.#observe, Watermark.observe: answers come in the order of the requests. */
  :: atomic {
      CURRENT && (front.epoch > knownEpoch ||
                  (front.epoch == knownEpoch && (SETTLES(1) || SETTLES(2) || SETTLES(3)))) ->
      d_step {
        if
        :: front.epoch > knownEpoch ->
          knownEpoch = front.epoch; knownEpochs = front.epochs; knownStoredSeq = front.storedSeq;
          settleGiven()
        :: else -> knownStoredSeq = front.storedSeq
        fi;
        printf("client: sees epoch %d, stored up to seq %d\n", knownEpoch, knownStoredSeq);
        settleWaiters();
        limit = 0; mutation = 0; lost = 0; survived = 0; e = 0
      }
    }
  od
}

inline kill(worker) {
  printf("worker %d: dies\n", worker);
  dead[worker] = true;
  if :: locked == worker -> locked = 0 :: else fi
}

proctype Faults() {
end:
  do
  /* What the front will be put back to: its last synced state, a copy, a replica that lags. */
  :: d_step { rewinds > 0 && !copied -> printf("front: a copy is made\n"); copyLane(saved, front); copied = true }
  :: atomic {
      rewinds > 0 ->
      if
      /* A restart that loses the tail, or nothing when the copy was taken just before. */
      :: copied -> printf("front: restarts from the copy\n"); copyLane(front, saved); server++
      /* FLUSHALL. A restart that loses everything differs in the number of the run only. */
      :: printf("front: FLUSHALL\n"); emptyLane(front)
      fi;
      rewinds--; copied = false; emptyLane(saved)
    }
  :: atomic { aborts > 0 && locked != 0 ->
       printf("store: ends the transaction of worker %d\n", locked); aborts--; locked = 0 }
  :: atomic { crashes > 0 -> crashes--; if :: kill(1) :: kill(2) fi }
  od
}

/* Invariant 8: when nobody has anything left to do, everything is done. */
proctype Drained() {
end:
  atomic {
    timeout ->
    assert(executed == WRITES);
    assert(CURRENT && front.pending == 0 && !front.flight);
    assert(storeLog == front.log);
    assert(row[0] == LAST(storeLog, 0) && row[1] == LAST(storeLog, 1));
    /* Every receipt is settled. */
    assert(waiting == 0)
  }
}

init {
  atomic {
    /* Process 1 and 2 are the workers. The first has recovered the lane, which is empty. */
    front.known = true; front.runId = server; front.confirmed = true; front.incarnation = 1;
    front.epoch = 1; front.epochs = SET(0, 1, 1); front.owner = 1;
    storeEpoch = 1; storeEpochs = SET(0, 1, 1);
    incarnationSeen = 1; knownEpoch = 1; knownEpochs = SET(0, 1, 1);
    run Worker(1); run Worker(2); run Client(); run Faults(); run Drained()
  }
}
