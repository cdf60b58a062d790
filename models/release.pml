/* One round in which all honest holders have all shares, and everybody else may do anything.
 *
 * Run it by `make model`; by hand, as the smallest example:
 *   spin -a -DHONEST=3 -DLIARS=0 -DTHRESHOLD=2 -DQUORUM=2 -DASKED=2 release.pml
 *   gcc -O1 -DSAFETY -o pan pan.c && ./pan -m1000000
 *
 * HONEST, LIARS   holders that keep the rule, and holders that vote and answer for every set
 * THRESHOLD       answers that open a sum
 * QUORUM, ASKED   votes that a release needs, and votes that holders ask for
 * INVENTED        1: the coordinator names voters that never voted
 * HASTY           1: a holder may say something before it is durable
 * WATCHED         facts that must never be true, as a sum of the IS_ below
 */
#ifndef INVENTED
#define INVENTED 0
#endif
#ifndef HASTY
#define HASTY 0
#endif
#ifndef WATCHED
#define WATCHED 31
#endif
#ifdef ONE_PHASE
#include "one_phase.pml"
#else
#include "two_phases.pml"
#endif

#define IS_TWO_VOTES 1
#define IS_TWO_ANSWERS 2
#define IS_OTHER_ANSWER 4
#define IS_TWO_SUMS 8
#define IS_NO_QUORUM 16
#define IS_ONE_SUM 32

/* What a holder has ever said. */
#define VOTED_A 1
#define VOTED_B 2
#define ANSWERED_A 4
#define ANSWERED_B 8

/* A holder is state, set (0 none, 1 A, 2 B) and what it ever said. */
#define PACKED(state, own, said) ((state) * 64 + (own) * 16 + (said))
#define STATE(it) ((it) / 64)
#define OWN(it) (((it) / 16) % 4)
#define SAID(it) ((it) % 16)

#define NO_CRASH 0
#define CRASH_BEFORE_SENDING 1
#define CRASH_BEFORE_COMMIT 2

short holder[HONEST] = PACKED(s_ready, 0, 0);

inline count() {
  va = LIARS; vb = LIARS; aa = LIARS; ab = LIARS; i = 0;
  do
  :: i < HONEST ->
     va = va + ((SAID(holder[i]) & VOTED_A) != 0);
     vb = vb + ((SAID(holder[i]) & VOTED_B) != 0);
     aa = aa + ((SAID(holder[i]) & ANSWERED_A) != 0);
     ab = ab + ((SAID(holder[i]) & ANSWERED_B) != 0);
     i++
  :: else -> break
  od
}

/* A crash leaves what the journal has. */
inline restart() {
  decide(state, i_restart);
  state = next;
  if :: !OWNS(state) -> own = 0 :: else fi
}

inline say(about) {
  if
  :: says == say_vote -> said = said | (VOTED_A << (about - 1))
  :: says == say_answer -> said = said | (ANSWERED_A << (about - 1))
  :: else
  fi
}

inline step() {
  state = STATE(holder[k]); own = OWN(holder[k]); said = SAID(holder[k]);
  if
  :: given == i_propose && own != 0 && own != wanted -> given = i_propose_other
  :: given == i_release && own != 0 && own != wanted -> given = i_release_other
  :: else
  fi;
  decide(state, given);
  count();
  if
  :: (given == i_release || given == i_release_other) && !INVENTED &&
     (wanted == 1) * va + (wanted == 2) * vb < ASKED -> possible = 0
  :: else
  fi;
  if
  :: !possible -> skip
  :: possible && crash == CRASH_BEFORE_COMMIT ->
     i = own;
     if :: own == 0 -> i = wanted :: else fi;
     say(i);
     restart()
  :: possible && crash != CRASH_BEFORE_COMMIT ->
     if :: own == 0 -> own = wanted :: else fi;
     state = next;
     if :: crash == NO_CRASH -> say(own) :: else fi;
     if :: !OWNS(state) -> own = 0 :: else fi;
     if :: crash == CRASH_BEFORE_SENDING -> restart() :: else fi
  fi;
  holder[k] = PACKED(state, own, said)
}

/* Holders are alike: only how many are in which state counts. */
inline sort() {
  i = 0;
  do
  :: i < HONEST - 1 ->
     j = 0;
     do
     :: j < HONEST - 1 ->
        if
        :: holder[j] > holder[j + 1] ->
           swap = holder[j]; holder[j] = holder[j + 1]; holder[j + 1] = swap
        :: else
        fi;
        j++
     :: else -> break
     od;
     i++
  :: else -> break
  od
}

inline check() {
  i = 0; facts = 0;
  do
  :: i < HONEST ->
     said = SAID(holder[i]);
     if :: (said & 3) == 3 -> facts = facts | IS_TWO_VOTES :: else fi;
     if :: (said & 12) == 12 -> facts = facts | IS_TWO_ANSWERS :: else fi;
     if :: (said & 9) == 9 || (said & 6) == 6 -> facts = facts | IS_OTHER_ANSWER :: else fi;
#ifndef ONE_PHASE
     if :: (said & ANSWERED_A) && va < QUORUM -> facts = facts | IS_NO_QUORUM :: else fi;
     if :: (said & ANSWERED_B) && vb < QUORUM -> facts = facts | IS_NO_QUORUM :: else fi;
#endif
     i++
  :: else -> break
  od;
  if :: aa >= THRESHOLD && ab >= THRESHOLD -> facts = facts | IS_TWO_SUMS :: else fi;
  if :: aa >= THRESHOLD || ab >= THRESHOLD -> facts = facts | IS_ONE_SUM :: else fi;
  assert((facts & WATCHED) == 0)
}

inline forget() {
  k = 0; given = 0; wanted = 0; crash = 0; state = 0; own = 0; said = 0; next = 0; says = 0;
  possible = 0; va = 0; vb = 0; aa = 0; ab = 0; i = 0; j = 0; swap = 0; facts = 0
}

active proctype anybody() {
  byte k, given, wanted, crash, state, own, said, next, says, possible;
  byte va, vb, aa, ab, i, j, facts;
  short swap;
  do
  :: atomic {
       select(k : 0 .. HONEST - 1);
       select(given : 0 .. INPUTS - 1);
       if
       :: given == i_propose || given == i_release -> select(wanted : 1 .. 2)
       :: else -> wanted = 1
       fi;
       select(crash : NO_CRASH .. CRASH_BEFORE_SENDING + HASTY);
       d_step { step(); sort(); count(); check(); forget() }
     }
  od
}
