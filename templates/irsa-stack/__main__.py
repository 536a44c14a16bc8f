from irsa_program.deploy import deploy

deploy()
