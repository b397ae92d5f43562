"""Protection: photos are changed so that a search by their content no longer finds them.

A photo x is protected by minimising a loss over photos x' near it,

    min loss(x')  subject to  x' in a ball around x,    by    x_{i+1} = Π_ball( x_i + step(∇ loss(x_i)) ).

Each part of this is exchangeable. An *objective* says what is asked of an encoder's outputs, for instance that the bits
of the code differ from the original's (`objectives`). A *loss* of photos is built from objectives of several encoders
and wrapped for transforms, stop rules and similarity. A *step* turns a gradient into an update (`steps`), a *ball*
bounds the change (`recessive.balls`), and one loop runs them all (`optimise`, with the losses). A *method* puts an
objective, a step, a ball and a stop rule together with the constants of its paper (`method`, `methods`); its constants
are fields that can be listed and changed by name (`constants`). Methods without gradients remove keypoints
(`keypoints`) or obfuscate the photo (`obfuscation`).

A method optimises against *surrogates*: encoders, with the owner's sample of other photos and their classes. It never
sees the gallery or the searches that the result is judged by. Photos of a batch never influence each other: everything
that belongs to the photos of a batch is `Batched`, and is restricted when photos are done.

Read `method` first, then `optimise`, and `methods.vanish` for the default.
"""
